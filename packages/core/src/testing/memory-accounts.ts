/** What an account has used and holds, tokens. */
export interface Account {
  readonly usedTokens: number;
  readonly heldTokens: number;
}

/** Accounts by name. An account that nothing has touched is at zero. */
export function createMemoryAccounts() {
  const accounts = new Map<string, Account>();
  const credits = new Map<string, number>();
  const read = (name: string): Account => accounts.get(name) ?? { usedTokens: 0, heldTokens: 0 };
  return {
    read,
    /** Every account that was touched, by name. */
    all: (): ReadonlyMap<string, Account> => accounts,
    hold(name: string, tokens: number): void {
      const { usedTokens, heldTokens } = read(name);
      accounts.set(name, { usedTokens, heldTokens: heldTokens + tokens });
    },
    /** Turns a hold into what was used. */
    settle(name: string, hold: number, used: number): void {
      const account = read(name);
      accounts.set(name, {
        usedTokens: account.usedTokens + used,
        heldTokens: account.heldTokens - hold,
      });
    },
    /** Whether `tokens` more fit under a limit; null is no limit. */
    hasRoom(name: string, tokens: number, limit: number | null): boolean {
      const { usedTokens, heldTokens } = read(name);
      return limit === null || usedTokens + heldTokens + tokens <= limit;
    },
    credit: (name: string): number => credits.get(name) ?? 0,
    addCredit(name: string, tokens: number): void {
      accounts.set(name, read(name));
      credits.set(name, (credits.get(name) ?? 0) + tokens);
    },
  };
}

export type MemoryAccounts = ReturnType<typeof createMemoryAccounts>;
