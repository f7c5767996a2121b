/** What is left of a node's token budget, by the co-op's calendar: neither used nor held; null for no limit. */
export interface NodeBudget {
  readonly dayLeftTokens: number | null;
  /** When the day's tokens come anew, ms since the Unix epoch. */
  readonly dayEndsMs: number;
  readonly monthLeftTokens: number | null;
  readonly monthEndsMs: number;
}

/** Tokens that a job may take at once, within day and month; Infinity without a limit. */
export const leftTokens = ({ dayLeftTokens, monthLeftTokens }: NodeBudget): number =>
  Math.min(dayLeftTokens ?? Infinity, monthLeftTokens ?? Infinity);

/** The budget after some tokens more were used or held; with a negative number, after some came back. */
export const spendTokens = (budget: NodeBudget, tokens: number): NodeBudget => ({
  ...budget,
  dayLeftTokens: budget.dayLeftTokens === null ? null : budget.dayLeftTokens - tokens,
  monthLeftTokens: budget.monthLeftTokens === null ? null : budget.monthLeftTokens - tokens,
});
