import type { FleetSnapshot } from "../fleet/node.ts";

/** The snapshot that the scheduler publishes and admission, explanation and display read. */
export interface FleetBoard {
  publish(fence: number, snapshot: FleetSnapshot): Promise<void>;
  /** Null when no scheduler has ever published. May be a second old. */
  read(): Promise<FleetSnapshot | null>;
}
