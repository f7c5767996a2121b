import { DEFAULT_LIMITS, TIERS } from "@coop/core";
import type { Erasures, JobDesk, Member, MemberChange, MemberLimits, MemberStore, Tier } from "@coop/core";
import { addMemberRequestSchema, setMemberRequestSchema } from "@coop/protocol";
import type { LimitsChange, MemberDetail, MemberRow, MemberView } from "@coop/protocol";
import { Hono } from "hono";
import type { ApiContext, ApiDefaults, ApiEnv } from "../deps.ts";
import type { Ids } from "../ids.ts";
import { knownMember } from "../known-member.ts";
import { memberQuota } from "../member-quota.ts";
import type { MemberQuotaDeps } from "../member-quota.ts";
import { ProblemError } from "../problem.ts";
import { parseBody, readJson } from "../request-body.ts";

export interface MemberRoutesDeps extends MemberQuotaDeps {
  readonly ids: Ids;
  readonly members: MemberStore;
  readonly erasures: Pick<Erasures, "erasedAtMs">;
  readonly desk: JobDesk;
  readonly defaults: ApiDefaults;
}

/** `/admin/members`: who is in the co-op, and what each may use. */
export function memberRoutes(deps: MemberRoutesDeps): Hono<ApiEnv> {
  const routes = new Hono<ApiEnv>();
  routes.post("/", async (c) => addMember(deps, c));
  routes.get("/", async (c) => {
    const data = await Promise.all((await deps.members.members()).map(async (member) => row(deps, member)));
    return c.json({ object: "list", month: deps.calendar.monthOf(deps.clock.now()), data });
  });
  routes.get("/:id", async (c) => c.json(await detail(deps, await namedMember(deps, c))));
  routes.patch("/:id", async (c) => setMember(deps, c));
  routes.post("/:id/disable", async (c) => disable(deps, c));
  routes.post("/:id/enable", async (c) => {
    const { id } = await namedMember(deps, c);
    await deps.members.enableMember(id);
    return c.json(memberView(await knownMember(deps.members, id, "id")));
  });
  return routes;
}

const memberView = (
  { id, name, role, limits, weight, defaultTier, createdAtMs, disabledAtMs }: Member,
  erasedAtMs: number | null = null,
): MemberView => ({
  id,
  name,
  role,
  limits: { ...limits, tierTokensPerMonth: { ...limits.tierTokensPerMonth } },
  weight,
  defaultTier,
  createdAtMs,
  disabledAtMs,
  erasedAtMs,
});

/** Whoever was erased is disabled, too. */
const viewOf = async ({ erasures }: MemberRoutesDeps, member: Member): Promise<MemberView> =>
  memberView(member, member.disabledAtMs === null ? null : await erasures.erasedAtMs(member.id));

const namedMember = async ({ members }: MemberRoutesDeps, c: ApiContext): Promise<Member> =>
  knownMember(members, c.req.param("id") ?? "", "id");

const detail = async (deps: MemberRoutesDeps, member: Member): Promise<MemberDetail> => ({
  ...(await viewOf(deps, member)),
  quota: await memberQuota(deps, member),
});

async function row(deps: MemberRoutesDeps, member: Member): Promise<MemberRow> {
  const { limitTokens, source, usedTokens, heldTokens } = await memberQuota(deps, member);
  return { ...(await viewOf(deps, member)), limitTokens, source, usedTokens, heldTokens };
}

async function addMember(
  { clock, ids, members, defaults }: MemberRoutesDeps,
  c: ApiContext,
): Promise<Response> {
  const { limits, defaultTier, ...request } = parseBody(addMemberRequestSchema, (await readJson(c)).value);
  const member: Member = {
    ...request,
    id: ids.member(),
    limits: changedLimits(DEFAULT_LIMITS, limits ?? {}),
    defaultTier: defaultTier ?? defaults.memberTier,
    createdAtMs: clock.now(),
    disabledAtMs: null,
  };
  if (await members.addMember(member)) return c.json(memberView(member), 201);
  throw nameTaken(request.name);
}

async function setMember(deps: MemberRoutesDeps, c: ApiContext): Promise<Response> {
  const member = await namedMember(deps, c);
  const request = parseBody(setMemberRequestSchema, (await readJson(c)).value);
  const { name, limits, weight, defaultTier } = request;
  const change: MemberChange = {
    ...(name !== undefined && { name }),
    ...(limits !== undefined && { limits: changedLimits(member.limits, limits) }),
    ...(weight !== undefined && { weight }),
    ...(defaultTier !== undefined && { defaultTier }),
  };
  if ((await deps.members.setMember(member.id, change)) === "name-taken")
    throw nameTaken(name ?? member.name);
  return c.json(await detail(deps, await knownMember(deps.members, member.id, "id")));
}

const nameTaken = (name: string): ProblemError =>
  new ProblemError(409, {
    code: "name_taken",
    param: "name",
    message: `There is a member ${JSON.stringify(name)} already; names that differ only by case are the same.`,
    repeat: false,
  });

/** What the change leaves out stays. */
function changedLimits(limits: MemberLimits, change: LimitsChange): MemberLimits {
  const { tierTokensPerMonth, tokensPerMonth, jobsAtOnce, requestsPerMinute } = change;
  return {
    tokensPerMonth: tokensPerMonth ?? limits.tokensPerMonth,
    tierTokensPerMonth: changedTiers(limits.tierTokensPerMonth, tierTokensPerMonth ?? {}),
    jobsAtOnce: jobsAtOnce === undefined ? limits.jobsAtOnce : jobsAtOnce,
    requestsPerMinute: requestsPerMinute === undefined ? limits.requestsPerMinute : requestsPerMinute,
  };
}

function changedTiers(
  tiers: MemberLimits["tierTokensPerMonth"],
  change: NonNullable<LimitsChange["tierTokensPerMonth"]>,
): MemberLimits["tierTokensPerMonth"] {
  const changed: Partial<Record<Tier, number | null>> = { ...tiers };
  for (const tier of TIERS) {
    const tokens = change[tier];
    if (tokens === "default") delete changed[tier];
    else if (tokens !== undefined) changed[tier] = tokens;
  }
  return changed;
}

/** The mark comes first: what is admitted until then is cancelled with the rest, and after it nothing is. */
async function disable(deps: MemberRoutesDeps, c: ApiContext): Promise<Response> {
  const { clock, members, desk } = deps;
  const { id, name } = await namedMember(deps, c);
  const outcome = await members.disableMember(id, clock.now());
  if (outcome === "last-operator") {
    throw new ProblemError(409, {
      code: "last_operator",
      param: "id",
      message: `${JSON.stringify(name)} is the last operator. Make or enable another operator first.`,
      repeat: false,
    });
  }
  await desk.cancelAttached(id, null, clock.now());
  return c.json(memberView(await knownMember(members, id, "id")));
}
