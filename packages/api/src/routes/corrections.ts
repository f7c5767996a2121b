import { asJobId } from "@coop/core";
import type { Accounting, Calendar, Clock, MemberStore } from "@coop/core";
import { grantRequestSchema } from "@coop/protocol";
import type { GrantView, RefundView } from "@coop/protocol";
import { Hono } from "hono";
import type { ApiContext, ApiEnv } from "../deps.ts";
import type { Ids } from "../ids.ts";
import { firstMemberAtMs } from "../first-member.ts";
import { knownMember } from "../known-member.ts";
import { badRequest, notFound, ProblemError } from "../problem.ts";
import { parseBody, readJson } from "../request-body.ts";
import { readIdempotencyKey } from "../request-options.ts";

export interface CorrectionRoutesDeps {
  readonly clock: Clock;
  readonly ids: Ids;
  readonly calendar: Calendar;
  readonly members: MemberStore;
  readonly accounting: Accounting;
}

/** `/admin/members/:id/grants` and `/admin/jobs/:id/refund`: what changes an account beside jobs. */
export function correctionRoutes(deps: CorrectionRoutesDeps): Hono<ApiEnv> {
  const routes = new Hono<ApiEnv>();
  routes.post("/members/:id/grants", async (c) => c.json(await grant(deps, c), 201));
  routes.post("/jobs/:id/refund", async (c) => c.json(await refund(deps, c)));
  return routes;
}

async function grant(
  { clock, ids, calendar, members, accounting }: CorrectionRoutesDeps,
  c: ApiContext,
): Promise<GrantView> {
  const member = await knownMember(members, c.req.param("id") ?? "", "id");
  const request = parseBody(grantRequestSchema, (await readJson(c)).value);
  const nowMs = clock.now();
  const current = calendar.monthOf(nowMs);
  const month = request.month ?? current;
  assertGrantable(month, current, calendar.monthOf(await firstMemberAtMs(members, nowMs)));
  const { tokens } = request;
  const key = readIdempotencyKey(c);
  const outcome = await accounting.grant(
    {
      id: key === null ? ids.grant() : [key, member.id, month, tokens].join("."),
      member: member.id,
      month,
      tokens,
    },
    nowMs,
  );
  const { creditTokens } = await accounting.account(member.id, month);
  return {
    object: "coop.grant",
    member: member.id,
    memberName: member.name,
    month,
    tokens,
    repeated: outcome === "repeated",
    creditTokens,
  };
}

/** A slip of the hand in a year is credit that nobody finds. @throws ProblemError 400 */
function assertGrantable(month: string, current: string, first: string): void {
  if (month < first) throw badRequest(`month: the co-op began in ${first}, after ${month}.`, "month");
  const last = `${Number(current.slice(0, 4)) + 1}${current.slice(4)}`;
  if (month > last)
    throw badRequest(`month: ${month} is too far away; grants go 12 months ahead, up to ${last}.`, "month");
}

async function refund({ clock, accounting }: CorrectionRoutesDeps, c: ApiContext): Promise<RefundView> {
  const id = c.req.param("id") ?? "";
  const unknown = () =>
    notFound(`There is no job ${JSON.stringify(id.slice(0, 80))}, or it is no longer kept.`, "id");
  if (!/^job_[0-9a-z]{1,60}$/.test(id)) throw unknown();
  const job = asJobId(id);
  const outcome = await accounting.refund(job, clock.now());
  switch (outcome.kind) {
    case "refunded":
      return { object: "coop.refund", job, tokens: outcome.tokens, repeated: false };
    case "repeated":
      return { object: "coop.refund", job, tokens: 0, repeated: true };
    case "not-found":
      throw unknown();
    case "not-ended":
      throw new ProblemError(409, {
        code: "job_not_ended",
        param: "id",
        message: `Job ${job} has not ended, so nothing was charged for it yet. Cancel it, or wait for its end.`,
        retryAfterS: 5,
      });
  }
}
