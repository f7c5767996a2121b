import { asMemberId, assert, OperationalError } from "@coop/core";
import type { AuditEntry, Log, MemberStore } from "@coop/core";
import type { MiddlewareHandler } from "hono";
import { matchedRoutes } from "hono/route";
import { z } from "zod";
import type { ApiContext, ApiEnv } from "../deps.ts";
import { ProblemError } from "../problem.ts";
import { readBodyText } from "../request-body.ts";
import { ACTS, onlyReads } from "./acts.ts";
import { discreet } from "./discreet.ts";
import type { AuditTrail } from "./trail.ts";

export interface AuditedDeps {
  readonly audit: AuditTrail;
  readonly members: MemberStore;
  readonly log: Log;
}

/**
 * Stands before every `/admin` route: an act that changes something is written down before it is done, and then
 * how it ended. Where the log cannot be written, nothing is done. Where it is not known how the act ended, or that
 * cannot be written, it stays `asked` without an answer.
 */
export function audited(deps: AuditedDeps): MiddlewareHandler<ApiEnv> {
  return async (c, next) => {
    const route = changingRoute(c);
    if (route === null) return next();
    const { member, key } = c.get("caller");
    const { detail, named } = await readAct(c, route.path);
    const by = { actor: member.id, key: key.id, act: route.act };
    const target = await targetOf(deps.members, named);
    c.set("act", { name: route.act, target });
    const asked = await deps.audit.record({ ...by, target, phase: "asked", of: null, detail });
    await next();
    if (c.res.status < 500) await recordOutcome(deps, c, asked);
  };
}

/** The route's pattern and what doing it is called; null for what only reads, and where there is no such route. */
function changingRoute(c: ApiContext): { readonly path: string; readonly act: string } | null {
  if (onlyReads(c.req.method)) return null;
  const route = matchedRoutes(c).at(-1);
  if (route === undefined || route.method === "ALL") return null;
  const act = ACTS.get(`${route.method} ${route.path}`);
  assert(act !== undefined, `${route.method} ${route.path} has a name in the audit log`);
  return { path: route.path, act };
}

const namedInBody = z.object({ member: z.string() });

/** What was asked, and which member, key or node it named. */
async function readAct(
  c: ApiContext,
  pattern: string,
): Promise<{ readonly detail: string; readonly named: string | null }> {
  const inPath = idInPath(c.req.path, pattern);
  const body = await bodyOf(c);
  const inBody = namedInBody.safeParse(body);
  const detail = JSON.stringify(body === undefined ? {} : discreet(body));
  return { detail, named: inPath ?? (inBody.success ? inBody.data.member : null) };
}

/** What stands at the pattern's `:id`; the framework tells it to the route's own handler only. */
function idInPath(path: string, pattern: string): string | null {
  const at = pattern.split("/").indexOf(":id");
  if (at < 0) return null;
  const text = path.split("/")[at] ?? "";
  try {
    return decodeURIComponent(text);
  } catch (error) {
    if (error instanceof URIError) return text;
    throw error;
  }
}

/** The body's value; undefined where there is none or it cannot be read, of which the route tells the operator. */
async function bodyOf(c: ApiContext): Promise<unknown> {
  const reading = readBodyText(c.req.raw);
  c.set("bodyText", reading);
  try {
    return JSON.parse(await reading);
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof ProblemError) return undefined;
    throw error;
  }
}

const ID = /^(mem|node|job)_[0-9a-z]{1,60}$/i;
const KEY_ID = /^[0-9A-Za-z]{8,24}$/;

/** The id of what was named; null where nothing of that name is there: what was typed may be anything. */
async function targetOf(members: MemberStore, named: string | null): Promise<string | null> {
  if (named === null) return null;
  if ((await members.member(asMemberId(named))) !== null) return named;
  const byName = (await members.members()).find(({ name }) => name === named);
  if (byName !== undefined) return byName.id;
  if (ID.test(named)) return named;
  return KEY_ID.test(named) && (await members.key(named)) !== null ? named : null;
}

const madeSchema = z.object({ id: z.string() });
const refusalSchema = z.object({ error: z.object({ code: z.string(), param: z.string().nullish() }) });

async function recordOutcome({ audit, log }: AuditedDeps, c: ApiContext, asked: AuditEntry): Promise<void> {
  const { seq: of, actor, key, act, target } = asked;
  const answer: unknown = c.res.body === null ? null : await c.res.clone().json();
  const made = madeSchema.safeParse(answer);
  const refused = refusalSchema.safeParse(answer);
  const outcome = c.res.ok
    ? ({ phase: "done", target: made.success ? made.data.id : target, detail: "{}" } as const)
    : ({
        phase: "refused",
        target,
        detail: JSON.stringify({
          status: c.res.status,
          ...(refused.success && discreetRefusal(refused.data)),
        }),
      } as const);
  try {
    await audit.record({ actor, key, act, of, ...outcome });
  } catch (error) {
    if (!(error instanceof OperationalError)) throw error;
    log.warn(
      { act, of, code: error.code },
      "how an operator's act ended could not be written to the audit log",
    );
  }
}

const discreetRefusal = ({ error }: z.infer<typeof refusalSchema>) => ({
  code: error.code,
  ...(typeof error.param === "string" && { param: error.param.slice(0, 80) }),
});
