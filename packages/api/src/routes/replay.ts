import { asMemberId, isTerminal } from "@coop/core";
import type { CoopSettings, JobDesk, JobRecord, ModelReport, NodeView, TerminalState } from "@coop/core";
import type { ReplayFleet, ReplayJob, ReplayJobList, ReplayMachine } from "@coop/protocol";
import { Hono } from "hono";
import type { ApiContext, ApiEnv } from "../deps.ts";
import type { FleetView } from "../fleet-view.ts";
import { badRequest } from "../problem.ts";

export interface ReplayRoutesDeps {
  readonly desk: JobDesk;
  readonly fleet: FleetView;
  readonly settings: CoopSettings;
}

const PAGE_DEFAULT = 200;
const PAGE_MOST = 500;

/** `/admin/replay`: the co-op's past in sizes and times, for simulations. */
export function replayRoutes(deps: ReplayRoutesDeps): Hono<ApiEnv> {
  const routes = new Hono<ApiEnv>();
  routes.get("/jobs", async (c) => c.json(await jobs(deps.desk, c)));
  routes.get("/machines", async (c) => c.json(await machines(deps)));
  return routes;
}

/** `?member`, `?sinceMs`, `?cursor`, `?limit`. */
async function jobs(desk: JobDesk, c: ApiContext): Promise<ReplayJobList> {
  const member = c.req.query("member");
  if (member === undefined || member === "") throw badRequest("member must be a member's id.", "member");
  const limit = Number(c.req.query("limit") ?? PAGE_DEFAULT);
  if (!Number.isInteger(limit) || limit < 1 || limit > PAGE_MOST)
    throw badRequest(`limit must be a whole number from 1 to ${PAGE_MOST}.`, "limit");
  const sinceMs = Number(c.req.query("sinceMs") ?? 0);
  if (!Number.isFinite(sinceMs))
    throw badRequest("sinceMs must be a time in milliseconds since the Unix epoch.", "sinceMs");
  const page = await desk.list(asMemberId(member), { limit, cursor: c.req.query("cursor") ?? null });
  const recent = page.jobs.filter(({ spec }) => spec.submittedAtMs >= sinceMs);
  const isPast = recent.length < page.jobs.length;
  return {
    object: "list",
    data: recent.flatMap((record) => (isTerminal(record.state) ? [replayJob(record, record.state)] : [])),
    nextCursor: isPast ? null : page.nextCursor,
  };
}

function replayJob({ spec }: JobRecord, state: TerminalState): ReplayJob {
  const usage = state.state === "succeeded" ? state.usage : null;
  const { member, weight, submittedAtMs, endpoint, target, askedTier, privacy, needs, band } = spec;
  return {
    member,
    weight,
    submittedAtMs,
    endedAtMs: state.finishedAtMs,
    outcome: state.state,
    endpoint,
    target,
    askedTier,
    privacy,
    needs: [...needs],
    band,
    promptTokens: usage?.promptTokens ?? spec.promptTokens,
    promptTokensMax: spec.promptTokensMax,
    maxOutputTokens: spec.maxOutputTokens,
    outputTokens: usage?.outputTokens ?? null,
  };
}

async function machines({ fleet, settings }: ReplayRoutesDeps): Promise<ReplayFleet> {
  const nodes = (await fleet.latest())?.nodes ?? [];
  return {
    object: "coop.replay-fleet",
    timeZone: settings.timeZone,
    machines: nodes.map(replayMachine),
  };
}

function replayMachine({ identity, machine, report, tiers }: NodeView): ReplayMachine {
  return {
    name: identity.name,
    owner: identity.owner,
    profile: machine.profile,
    slots: report.slots,
    modelMemoryBytes: report.modelMemoryBytes,
    interference: report.interference.value,
    tokensPerDay: report.tokensPerDay,
    tokensPerMonth: report.tokensPerMonth,
    models: report.models.flatMap((model) =>
      model.cloud ? [] : [{ ...replayModel(model), tier: tiers[model.name] ?? "edge" }],
    ),
  };
}

const replayModel = ({
  name,
  capabilities,
  contextTokens,
  parameterCount,
  residentBytes,
  capacity,
}: ModelReport): Omit<ReplayMachine["models"][number], "tier"> => ({
  name,
  capabilities: [...capabilities],
  contextTokens,
  parameterCount,
  residentBytes,
  capacity,
});
