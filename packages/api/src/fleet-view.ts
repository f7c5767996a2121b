import type { Clock, FleetBoard, FleetSnapshot, ModelReport, NodeView } from "@coop/core";
import { ProblemError } from "./problem.ts";

/** The fleet as the api sees it: the scheduler's snapshot, read at most a few times a second. */
export interface FleetView {
  /** @throws ProblemError 503 while no scheduler has reported. */
  known(): Promise<FleetSnapshot>;
  /** The snapshot as it is now, null before the first. */
  latest(): Promise<FleetSnapshot | null>;
}

export interface FleetViewDeps {
  readonly clock: Clock;
  readonly board: FleetBoard;
  readonly maxAgeMs: number;
}

export function createFleetView({ clock, board, maxAgeMs }: FleetViewDeps): FleetView {
  let last: { readonly atMs: number; readonly snapshot: Promise<FleetSnapshot | null> } | null = null;

  const latest = (): Promise<FleetSnapshot | null> => {
    const now = clock.now();
    if (last !== null && now - last.atMs < maxAgeMs) return last.snapshot;
    const reading = { atMs: now, snapshot: board.read() };
    last = reading;
    reading.snapshot.catch(() => {
      if (last === reading) last = null;
    });
    return reading.snapshot;
  };

  const known = async (): Promise<FleetSnapshot> => {
    const snapshot = await latest();
    if (snapshot !== null) return snapshot;
    throw new ProblemError(503, {
      code: "fleet_unknown",
      message: "No scheduler has reported yet, so the fleet is not known. Try again in a few seconds.",
      retryAfterS: 5,
    });
  };

  return { latest, known };
}

/** Every model that some node has, with its node. */
export const modelsOf = (
  snapshot: FleetSnapshot,
): readonly { readonly node: NodeView; readonly model: ModelReport }[] =>
  snapshot.nodes.flatMap((node) => node.report.models.map((model) => ({ node, model })));
