/** How long things take, milliseconds unless the name says otherwise. The defaults are the design's. */
export interface SchedulerTiming {
  /** How long the lead lasts without being renewed. */
  readonly leadTtlMs: number;
  readonly campaignEveryMs: number;
  /** After taking the lead nothing lapses or expires for this long: agents re-announce what they run. */
  readonly amnestyMs: number;
  readonly leaseMs: number;
  readonly renewEveryMs: number;
  /** Between pings; a socket that misses two is terminated. */
  readonly heartbeatMs: number;
  /** From the upgrade to the `hello`. */
  readonly handshakeMs: number;
  /** From `assign` to `accepted`; then the assign is revoked. */
  readonly acceptMs: number;
  readonly sweepEveryMs: number;
  /** Least time between two publications of the fleet's snapshot. */
  readonly boardEveryMs: number;
  /** Between ticks of the dispatcher when nothing else happens. */
  readonly tickMs: number;
  /** Between looks at whether a model is worth loading ahead of the jobs that wait. */
  readonly warmEveryMs: number;
  /** Wait before a job that found a node busy is placed again. */
  readonly busyRetryMs: number;
  /** First and longest wait between tries of a store that does not answer. */
  readonly storeRetryFirstMs: number;
  readonly storeRetryMostMs: number;
  /** Handshakes that may begin at once, and how many a second are added. */
  readonly handshakeBurst: number;
  readonly handshakesPerSecond: number;
}

export const DEFAULT_TIMING: SchedulerTiming = {
  leadTtlMs: 10_000,
  campaignEveryMs: 3_000,
  amnestyMs: 60_000,
  leaseMs: 30_000,
  renewEveryMs: 7_500,
  heartbeatMs: 10_000,
  handshakeMs: 10_000,
  acceptMs: 5_000,
  sweepEveryMs: 10_000,
  boardEveryMs: 1_000,
  tickMs: 250,
  warmEveryMs: 2_000,
  busyRetryMs: 1_000,
  storeRetryFirstMs: 25,
  storeRetryMostMs: 1_000,
  handshakeBurst: 256,
  handshakesPerSecond: 50,
};
