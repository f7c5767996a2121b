/**
 * The fair order's window: on each node, a member may start a job while its claim is less than `FAIR_WINDOW_S` above
 * the least claim of those who wait for that node. Fairness is claimed per node, so that a member who waits for a
 * large machine holds nobody back from a small one.
 *
 * How far two members can drift apart. Let U be the window, and F the most that the attempts which one member has
 * in flight may come to in all. Let two members, u and v, wait for the same nodes from t1 to t2, and let W be what
 * each has had. A claim is W plus the part of the charges in flight that was not had yet, between -F and F, plus a
 * lift that stands still while its member waits.
 *
 *   At u's last start before t2: claim(u) < claim(v) + U, so from there on W(u) grows by F at most.
 *   At t1: claim(v) <= claim(u) + 2U + F. For v started last while it was less than U above the least, which took
 *   it to U + F above that at most, and whoever comes anew enters U below it.
 *   Hence W(u) - W(v) grows from t1 to t2 by less than (U + F) + (2U + F), and 2F for what was charged and not yet
 *   had at either end: less than 3U + 4F.
 *
 * So nobody starves: where n members wait for a node, its owner aside, one of them gets its turn at the latest when
 * each of the others had 3U + 4F more. A member who always waits gets its share of every class but for that much.
 */
export const FAIR_WINDOW_S = 60;

/** Who comes to wait starts this far below those who wait already: they had what they had while it was away. */
export const RETURN_CREDIT_S = FAIR_WINDOW_S;

/** After this many younger jobs started where a job could have, it goes first. */
export const OVERTAKES_MAX = 224;

export const isInWindow = (claimS: number, leastS: number): boolean => claimS < leastS + FAIR_WINDOW_S;

/**
 * The most that the weighted services of two members may drift apart while both wait for the same nodes,
 * reference-seconds; `inFlightS` is the most that the attempts of one of them came to at one time.
 */
export const serviceGapBoundS = (inFlightS: number): number => 3 * FAIR_WINDOW_S + 4 * inFlightS;
