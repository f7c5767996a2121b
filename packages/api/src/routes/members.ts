import type { Calendar, Clock, JobDesk, Member, MemberStore } from "@coop/core";
import { addMemberRequestSchema } from "@coop/protocol";
import type { MemberDetail, MemberView } from "@coop/protocol";
import { Hono } from "hono";
import type { ApiContext, ApiDefaults, ApiEnv } from "../deps.ts";
import type { Ids } from "../ids.ts";
import { knownMember } from "../known-member.ts";
import { ProblemError } from "../problem.ts";
import { parseBody, readJson } from "../request-body.ts";

export interface MemberRoutesDeps {
  readonly clock: Clock;
  readonly ids: Ids;
  readonly members: MemberStore;
  readonly desk: JobDesk;
  readonly calendar: Calendar;
  readonly defaults: ApiDefaults;
}

/** `/admin/members`: who is in the co-op. */
export function memberRoutes(deps: MemberRoutesDeps): Hono<ApiEnv> {
  const routes = new Hono<ApiEnv>();
  routes.post("/", async (c) => addMember(deps, c));
  routes.get("/", async (c) =>
    c.json({ object: "list", data: (await deps.members.members()).map(memberView) }),
  );
  routes.get("/:id", async (c) => c.json(await detail(deps, await namedMember(deps, c))));
  routes.post("/:id/disable", async (c) => disable(deps, c));
  routes.post("/:id/enable", async (c) => {
    const { id } = await namedMember(deps, c);
    await deps.members.enableMember(id);
    return c.json(memberView(await knownMember(deps.members, id, "id")));
  });
  return routes;
}

const memberView = ({
  id,
  name,
  role,
  quotaTokens,
  weight,
  createdAtMs,
  disabledAtMs,
}: Member): MemberView => ({ id, name, role, quotaTokens, weight, createdAtMs, disabledAtMs });

const namedMember = async ({ members }: MemberRoutesDeps, c: ApiContext): Promise<Member> =>
  knownMember(members, c.req.param("id") ?? "", "id");

async function detail({ clock, desk, calendar }: MemberRoutesDeps, member: Member): Promise<MemberDetail> {
  const month = calendar.monthOf(clock.now());
  return { ...memberView(member), month, ...(await desk.account(member.id, month)) };
}

async function addMember(
  { clock, ids, members, defaults }: MemberRoutesDeps,
  c: ApiContext,
): Promise<Response> {
  const request = parseBody(addMemberRequestSchema, (await readJson(c)).value);
  const member: Member = {
    ...request,
    id: ids.member(),
    weight: 1,
    defaultTier: defaults.memberTier,
    createdAtMs: clock.now(),
    disabledAtMs: null,
  };
  if (await members.addMember(member)) return c.json(memberView(member), 201);
  throw new ProblemError(409, {
    code: "name_taken",
    param: "name",
    message: `There is a member ${JSON.stringify(request.name)} already.`,
    repeat: false,
  });
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
