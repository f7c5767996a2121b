/** One scheduler leads; its fencing number grows with every change of leader. */
export interface Leadership {
  /**
   * Tries to take or keep the lead for `ttlMs`. `address` is where agents reach this scheduler.
   */
  campaign(candidate: string, address: string, ttlMs: number): Promise<LeadershipOutcome>;
  /** Gives the lead up at once, if held. */
  resign(candidate: string): Promise<void>;
}

export type LeadershipOutcome =
  | { readonly kind: "leading"; readonly fence: number }
  | { readonly kind: "following"; readonly leader: string };
