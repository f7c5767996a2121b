import type { Machine, NodeIdentity, NodeReport } from "@coop/core";
import type { NodeLink } from "./node-link.ts";

/** A node that proved who it is and was welcomed, for as long as its connection lasts. */
export interface NodeSession {
  readonly identity: NodeIdentity;
  readonly machine: Machine;
  readonly link: NodeLink;
  /** The latest it said of itself. */
  report: NodeReport;
}
