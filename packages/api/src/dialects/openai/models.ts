import { modelAnswersTo, TIERS, tierAtLeast } from "@coop/core";
import type { FleetSnapshot, Tier } from "@coop/core";
import type { OpenaiModel } from "@coop/protocol";
import type { ApiContext } from "../../deps.ts";
import { modelsOf } from "../../fleet-view.ts";
import type { FleetView } from "../../fleet-view.ts";
import { notFound } from "../../problem.ts";

/** `GET /v1/models`: what the fleet has, and the tiers as models that always name the same quality. */
export const listModels =
  (fleet: FleetView) =>
  async (c: ApiContext): Promise<Response> =>
    c.json({ object: "list", data: modelRows(await fleet.known()) });

/** `GET /v1/models/:model`. */
export const getModel =
  (fleet: FleetView) =>
  async (c: ApiContext): Promise<Response> => {
    const wanted = decodeURIComponent(c.req.path.slice("/v1/models/".length));
    const row = modelRows(await fleet.known()).find(({ id }) => modelAnswersTo(id, wanted));
    if (row === undefined) throw notFound(`No node has a model ${JSON.stringify(wanted)}.`, "model");
    return c.json(row);
  };

/** Tiers first; then models by name. */
export function modelRows(snapshot: FleetSnapshot): readonly OpenaiModel[] {
  const names = [...new Set(modelsOf(snapshot).map(({ model }) => model.name))].sort();
  const models = names.map((name) =>
    row(snapshot, name, (candidate) => candidate === name, tierOf(snapshot, name)),
  );
  const tiers = TIERS.filter((tier) => tier !== "frontier").map((tier) =>
    row(snapshot, `coop/${tier}`, (candidate) => tierAtLeast(tierOf(snapshot, candidate), tier), tier),
  );
  return [...tiers, ...models];
}

/** The lowest tier that any node gives the model: what a member can count on. */
function tierOf(snapshot: FleetSnapshot, name: string): Tier {
  const given = snapshot.nodes.map((node) => node.tiers[name]).filter((tier) => tier !== undefined);
  return TIERS.find((tier) => given.includes(tier)) ?? "edge";
}

function row(
  snapshot: FleetSnapshot,
  id: string,
  includes: (model: string) => boolean,
  tier: Tier,
): OpenaiModel {
  const serving = modelsOf(snapshot).filter(({ model }) => includes(model.name));
  const nodes = [...new Set(serving.map(({ node }) => node.identity.name))].sort();
  return {
    id,
    object: "model",
    created: Math.floor(snapshot.atMs / 1000),
    owned_by: id.startsWith("coop/") ? "coop" : nodes.join(", "),
    coop: {
      tier,
      nodes,
      connected: serving.some(({ node }) => node.connected),
      contextTokens: Math.max(0, ...serving.map(({ model }) => model.contextTokens)),
      capabilities: [...new Set(serving.flatMap(({ model }) => model.capabilities))].sort(),
    },
  };
}
