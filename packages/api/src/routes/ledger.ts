import { auditLedger } from "@coop/core";
import type { Clock, LedgerReader } from "@coop/core";
import type { LedgerAuditView, LedgerList } from "@coop/protocol";
import { Hono } from "hono";
import type { ApiContext, ApiEnv } from "../deps.ts";
import { badRequest } from "../problem.ts";

export interface LedgerRoutesDeps {
  readonly clock: Clock;
  readonly ledger: LedgerReader;
}

const PAGE_DEFAULT = 100;
const PAGE_MOST = 1_000;

/** `/admin/ledger`: every settlement, and whether the accounts agree with them. */
export function ledgerRoutes(deps: LedgerRoutesDeps): Hono<ApiEnv> {
  const routes = new Hono<ApiEnv>();
  routes.get("/", async (c) => c.json(await page(deps.ledger, c)));
  routes.get("/verify", async (c) => {
    const atMs = deps.clock.now();
    const { findings, ...audit } = await auditLedger(deps.ledger, atMs);
    const view: LedgerAuditView = { object: "coop.ledger-audit", atMs, ...audit, findings: [...findings] };
    return c.json(view);
  });
  return routes;
}

/** `?after`, `?limit`. */
async function page(ledger: LedgerReader, c: ApiContext): Promise<LedgerList> {
  const limit = Number(c.req.query("limit") ?? PAGE_DEFAULT);
  if (!Number.isInteger(limit) || limit < 1 || limit > PAGE_MOST)
    throw badRequest(`limit must be a whole number from 1 to ${PAGE_MOST}.`, "limit");
  const after = c.req.query("after") ?? null;
  if (after !== null && !/^\d{1,15}-\d{1,15}$/.test(after))
    throw badRequest("after must be the position of a line, such as 1767225600000-0.", "after");
  const data = [...(await ledger.page(after, limit))];
  return { object: "list", data, nextCursor: data.length < limit ? null : (data.at(-1)?.position ?? null) };
}
