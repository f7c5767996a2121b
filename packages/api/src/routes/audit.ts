import type { AuditList, AuditVerificationView } from "@coop/protocol";
import { Hono } from "hono";
import type { AuditTrail } from "../audit/trail.ts";
import type { ApiContext, ApiEnv } from "../deps.ts";
import { badRequest } from "../problem.ts";

export interface AuditRoutesDeps {
  readonly audit: AuditTrail;
}

const PAGE_DEFAULT = 100;
const PAGE_MOST = 1_000;
const HASH = /^[0-9a-f]{64}$/;

/** `/admin/audit`: what operators did, and whether anybody changed the log of it. */
export function auditRoutes({ audit }: AuditRoutesDeps): Hono<ApiEnv> {
  const routes = new Hono<ApiEnv>();
  routes.get("/", async (c) => c.json(await page(audit, c)));
  routes.get("/verify", async (c) => c.json(await verification(audit, c.req.query("head") ?? null)));
  return routes;
}

/** `?after`, `?limit`. */
async function page(audit: AuditTrail, c: ApiContext): Promise<AuditList> {
  const limit = wholeNumber(c, "limit", PAGE_DEFAULT);
  if (limit < 1 || limit > PAGE_MOST)
    throw badRequest(`limit must be a whole number from 1 to ${PAGE_MOST}.`, "limit");
  const after = wholeNumber(c, "after", 0);
  const data = [...(await audit.page(after, limit))];
  return { object: "list", data, nextCursor: data.length < limit ? null : after + data.length };
}

function wholeNumber(c: ApiContext, name: string, otherwise: number): number {
  const text = c.req.query(name);
  if (text === undefined) return otherwise;
  const value = Number(text);
  if (/^\d{1,15}$/.test(text) && Number.isSafeInteger(value)) return value;
  throw badRequest(`${name} must be a whole number.`, name);
}

async function verification(audit: AuditTrail, head: string | null): Promise<AuditVerificationView> {
  if (head !== null && !HASH.test(head))
    throw badRequest("head must be the hash of an entry: 64 digits and letters from a to f.", "head");
  const { findings, unanswered, ...rest } = await audit.verify(head);
  return { object: "coop.audit-verification", ...rest, unanswered: [...unanswered], findings: [...findings] };
}
