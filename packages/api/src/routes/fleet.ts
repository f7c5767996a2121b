import { decodeTokensPerSecond, TIERS } from "@coop/core";
import type { FleetSnapshot, MemberStore, ModelReport, NodeReport, NodeView, Tier } from "@coop/core";
import type { NodeRow } from "@coop/protocol";
import { Hono } from "hono";
import type { ApiEnv } from "../deps.ts";
import type { FleetView } from "../fleet-view.ts";
import { memberQuota } from "../member-quota.ts";
import type { MemberQuotaDeps } from "../member-quota.ts";

export interface FleetRoutesDeps extends MemberQuotaDeps {
  readonly members: MemberStore;
  readonly fleet: FleetView;
}

/** What every member may see: the nodes, the fleet in sum, and their own month. */
export function fleetRoutes(deps: FleetRoutesDeps): Hono<ApiEnv> {
  const routes = new Hono<ApiEnv>();
  routes.get("/nodes", async (c) => {
    const snapshot = await deps.fleet.latest();
    const names = new Map((await deps.members.members()).map(({ id, name }) => [id, name]));
    const data = (snapshot?.nodes ?? []).map((node) => nodeRow(node, names.get(node.identity.owner) ?? ""));
    return c.json({ object: "list", data, snapshotAtMs: snapshot?.atMs ?? null });
  });
  routes.get("/fleet", async (c) => c.json(fleetTotals(await deps.fleet.latest())));
  routes.get("/quota", async (c) => c.json(await memberQuota(deps, c.get("caller").member)));
  return routes;
}

function nodeRow(node: NodeView, ownerName: string): NodeRow {
  const { identity, machine, report } = node;
  return {
    id: identity.id,
    name: identity.name,
    owner: identity.owner,
    ownerName,
    connected: node.connected,
    lastSeenMs: node.lastSeenMs,
    draining: report.draining,
    machine: {
      chip: machine.chip,
      platform: machine.platform,
      memoryBytes: machine.memoryBytes,
      simulated: machine.simulated,
      agentVersion: machine.agentVersion,
      engine: machine.engine,
    },
    slots: report.slots,
    active: node.active.length,
    pressure: report.pressure,
    thermal: report.thermal,
    power: report.power,
    closed: closedOf(report),
    budget: node.budget,
    models: report.models.map((model) => modelRow(node, model)),
  };
}

function closedOf({ availability }: NodeReport): NodeRow["closed"] {
  if (availability.kind === "open") return null;
  return { reason: availability.reason, untilMs: availability.untilMs };
}

function modelRow(node: NodeView, model: ModelReport): NodeRow["models"][number] {
  const { capacity } = model;
  const measured =
    capacity.fixedMsPerToken.basis === "measured" && capacity.effectiveBytesPerSecond.basis === "measured";
  return {
    name: model.name,
    tier: tierOn(node, model),
    loaded: model.loaded,
    contextTokens: model.contextTokens,
    cloud: model.cloud,
    capabilities: [...model.capabilities],
    decodeTokensPerSecond: {
      value: decodeTokensPerSecond(capacity, 0, 1),
      basis: measured ? "measured" : "prior",
    },
    prefillTokensPerSecond: { ...capacity.prefillTokensPerSecond },
    loadMs: { ...capacity.loadMs },
    unhealthy: node.report.unhealthy[model.name] ?? null,
  };
}

const tierOn = (node: NodeView, model: ModelReport): Tier => node.tiers[model.name] ?? "edge";

/** Sums over the nodes that are connected; a tier's rate is that of its fastest model alone on each node. */
function fleetTotals(snapshot: FleetSnapshot | null) {
  const nodes = snapshot?.nodes ?? [];
  const connected = nodes.filter((node) => node.connected);
  const total = (of: (node: NodeView) => number): number =>
    connected.reduce((sum, node) => sum + of(node), 0);
  return {
    object: "coop.fleet",
    nodes: nodes.length,
    connected: connected.length,
    slots: total((node) => node.report.slots),
    active: total((node) => node.active.length),
    pendingJobs: snapshot?.pendingJobs ?? 0,
    tiers: TIERS.map((tier) => {
      const modelsOn = (node: NodeView): readonly ModelReport[] =>
        node.report.models.filter((model) => tierOn(node, model) === tier);
      const rate = (node: NodeView): number =>
        Math.max(0, ...modelsOn(node).map((model) => decodeTokensPerSecond(model.capacity, 0, 1)));
      return {
        tier,
        models: [...new Set(connected.flatMap((node) => modelsOn(node).map(({ name }) => name)))].sort(),
        nodes: connected.filter((node) => modelsOn(node).length > 0).length,
        decodeTokensPerSecond: total(rate),
      };
    }),
  };
}
