import { isNotableChange, offerOf } from "@coop/core";
import type { Clock, NodeId, NodeOffer, NodeRegistration, NodeRegistry } from "@coop/core";
import type { NodeSession } from "./node-session.ts";
import type { Patience } from "./patience.ts";

/** An offer is written down at most this often, ms. */
const RECORDED_EVERY_MS = 60_000;

/** Keeps written down what nodes offer, for quotas that count those that sleep, too. */
export interface NodeOffers {
  /** Takes in what was written down before. */
  known(node: NodeRegistration): void;
  /** Writes down what a node offers by its latest report, if it is something new. */
  record(session: NodeSession): Promise<void>;
}

export function createNodeOffers({
  nodes,
  patience,
  clock,
}: {
  readonly nodes: Pick<NodeRegistry, "recordOffer">;
  readonly patience: Patience;
  readonly clock: Clock;
}): NodeOffers {
  const recorded = new Map<NodeId, { readonly offer: NodeOffer | null; readonly atMs: number }>();
  return {
    known({ id, offer }) {
      if (!recorded.has(id)) recorded.set(id, { offer, atMs: Number.NEGATIVE_INFINITY });
    },
    async record({ identity, machine, report }) {
      const nowMs = clock.now();
      const offer = offerOf(report, machine, nowMs);
      const before = recorded.get(identity.id);
      if (offer === null || before === undefined) return;
      if (Math.abs(nowMs - before.atMs) < RECORDED_EVERY_MS || !isNotableChange(before.offer, offer)) return;
      recorded.set(identity.id, { offer, atMs: nowMs });
      const outcome = await patience("offer", async () => ({
        kind: "recorded" as const,
        known: await nodes.recordOffer(identity.id, offer),
      }));
      if (outcome.kind === "unavailable") recorded.set(identity.id, before);
    },
  };
}
