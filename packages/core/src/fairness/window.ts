/**
 * The fair order's window: on each node, a member may start a job while the service that it had is at most
 * `FAIR_WINDOW_S` above that of the least served member who waits for that node. Fairness is claimed per
 * node, so that a member who waits for a large machine holds nobody back from a small one.
 */
export const FAIR_WINDOW_S = 60;

/** After this many younger jobs started where a job could have, it goes first. */
export const OVERTAKES_MAX = 224;

export const isInWindow = (servedS: number, leastServedS: number): boolean =>
  servedS <= leastServedS + FAIR_WINDOW_S;
