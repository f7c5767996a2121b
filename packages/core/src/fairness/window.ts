/**
 * The fair order's window: on each node, a member may start a job while its claim is less than `FAIR_WINDOW_S` above
 * the least claim of those who wait for that node. Fairness is claimed per node, so that a member who waits for a
 * large machine holds nobody back from a small one. Three rules go with it:
 *
 * - The passing lane. Most jobs are small and little of the work, so that holding small ones back behind large ones
 *   helps nobody. A part of the service, earned by what starts in its turn, is open to small jobs of members outside
 *   the window, up to a wider one.
 * - Floods. Who asks for far more than all others together, of jobs, prompts or outputs, goes where nobody else inside
 *   the window waits, has no lane, leaves half of a node's slots to others who had work there lately, and keeps to the
 *   fair share besides: attempts are not interrupted, and share the node with all that come after them, so that work
 *   which fills every idle moment hinders whoever comes. `fairness/share.ts` says how much of a node's time that is.
 * - Overtaking. A job that was overtaken too often goes first, if its member is inside the window and does not flood.
 *
 * How far two members can drift apart. Let P be the wider window, and F the most that the attempts which one member
 * has in flight may come to in all. Let two members, u and v, wait for the same nodes from t1 to t2, and let W be
 * what each has had. A claim is W plus the part of the charges in flight that was not had yet, between -F and F,
 * plus a lift that stands still while its member waits.
 *
 *   At u's last start before t2: claim(u) < claim(v) + P, so from there on W(u) grows by F at most.
 *   At t1: claim(v) <= claim(u) + P + F, for v started last while it was less than P above the least, and whoever
 *   comes anew is lifted to the least.
 *   Hence W(u) - W(v) grows from t1 to t2 by less than (P + F) + (P + F), and 2F for what was charged and not yet
 *   had at either end: less than 2P + 4F.
 *
 * So nobody starves: where n members wait for a node, its owner aside, one of them gets its turn at the latest when
 * each of the others had 2P + 4F more. What owners have on their own nodes is theirs, and outside the bound. Floods are
 * inside it: they hold others back as anybody who waits does, and their fair share holds them back only while nobody who
 * waits with them is more than half a window ahead.
 */
export const FAIR_WINDOW_S = 900;

/** Part of the service that is open to small jobs of members outside the window. */
export const PASSING_SHARE = 0.4;
/** The most that the passing lane may start at once, reference-seconds. */
export const PASSING_S_MAX = 10;
/** Nobody passes who is this far above the least claim. */
export const PASSING_WINDOW_S = 1_500;

/**
 * A member floods who asked for this many times what all others together asked for: 60 % of everything. A member who
 * sends 40 % of a small co-op's jobs looks like that at one job in a hundred of a simulation, like half at ten.
 */
export const FLOOD_FACTOR = 1.5;
/** Fewer jobs than this are no flood. */
export const FLOOD_JOBS_MIN = 10;
/** What was asked fades with this time. */
export const ASKED_MS = 600_000;
/** How a node's time was divided fades with this time: a hundred attempts, of which most are seconds long. */
export const NODE_TIME_MS = 300_000;
/** A flood that is this far behind somebody who waits with it is not held to its fair share. */
export const BEHIND_S = FAIR_WINDOW_S / 2;

/** After this many younger jobs started where a job could have, it goes first. */
export const OVERTAKES_MAX = 224;

export const isInWindow = (claimS: number, leastS: number, floods: boolean): boolean =>
  floods ? claimS <= leastS : claimS < leastS + FAIR_WINDOW_S;

export const mayPass = (claimS: number, leastS: number, floods: boolean): boolean =>
  !floods && claimS < leastS + PASSING_WINDOW_S;

/**
 * The most that the weighted services of two members may drift apart while both wait for the same nodes,
 * reference-seconds; `inFlightS` is the most that the attempts of one of them came to at one time.
 */
export const serviceGapBoundS = (inFlightS: number): number => 2 * PASSING_WINDOW_S + 4 * inFlightS;
