import { createHash, timingSafeEqual } from "node:crypto";
import { OperationalError } from "@coop/core";
import type { FleetBoard } from "@coop/core";
import type { Metrics } from "@coop/metrics";
import { Hono } from "hono";
import type { ApiContext, ApiEnv } from "../deps.ts";
import { ProblemError } from "../problem.ts";

export interface HealthRoutesDeps {
  readonly board: FleetBoard;
  readonly metrics: Pick<Metrics, "render" | "contentType">;
  /** Whether this program's scheduler leads. */
  readonly leads: () => boolean;
  /** Null: metrics go to this machine only. */
  readonly metricsToken: string | null;
  /** Brings into the metrics what is only known when it is asked for: the fleet and the members' months. */
  readonly takeStock: () => Promise<void>;
}

/** For whoever runs the server: whether it lives, whether it can serve, and what it measured. */
export function healthRoutes({
  board,
  leads,
  metrics,
  metricsToken,
  takeStock,
}: HealthRoutesDeps): Hono<ApiEnv> {
  const routes = new Hono<ApiEnv>();
  routes.get("/healthz", (c) => c.json({ status: "ok" }));
  routes.get("/readyz", async (c) => {
    const { ready, store, scheduler } = await readiness(board);
    return c.json({ status: ready ? "ready" : "not-ready", store, scheduler }, ready ? 200 : 503);
  });
  routes.get("/leadz", (c) => c.json({ status: leads() ? "leads" : "does-not-lead" }, leads() ? 200 : 503));
  routes.get("/metrics", async (c) => {
    assertReader(c, metricsToken);
    await takeStock();
    return c.body(await metrics.render(), 200, { "Content-Type": metrics.contentType });
  });
  return routes;
}

/** Metrics go to this machine, and to who has the token where there is one. */
function assertReader(c: ApiContext, metricsToken: string | null): void {
  const given = /^Bearer\s+(\S+)\s*$/i.exec(c.req.header("authorization") ?? "")?.[1];
  if (isToken(given, metricsToken)) return;
  if (given !== undefined || metricsToken !== null) {
    if (given === undefined && isFromThisMachine(c)) return;
    throw new ProblemError(401, {
      code: "wrong_metrics_token",
      message:
        "This is not the token for metrics. Send `Authorization: Bearer` with the server's COOP_METRICS_TOKEN.",
      param: "Authorization",
    });
  }
  if (isFromThisMachine(c)) return;
  throw new ProblemError(403, {
    code: "loopback_only",
    message:
      "Metrics are given to this machine only. Set COOP_METRICS_TOKEN on the server to read them from elsewhere.",
  });
}

/** Compared in equal time, whatever their lengths. */
function isToken(given: string | undefined, expected: string | null): boolean {
  if (given === undefined || expected === null) return false;
  const digest = (text: string): Buffer => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(given), digest(expected));
}

async function readiness(board: FleetBoard) {
  try {
    const snapshot = await board.read();
    return { ready: true, store: "answers", scheduler: snapshot === null ? "never-seen" : "seen" };
  } catch (error) {
    if (!(error instanceof OperationalError)) throw error;
    return { ready: false, store: error.code, scheduler: "unknown" };
  }
}

/** A proxy on this machine speaks for others, and says so. */
function isFromThisMachine(c: ApiContext): boolean {
  const address = c.env.incoming?.socket.remoteAddress;
  const forwarded = c.req.header("x-forwarded-for") ?? c.req.header("forwarded") ?? c.req.header("x-real-ip");
  return forwarded === undefined && address !== undefined && /^(127\.|::1$|::ffff:127\.)/.test(address);
}
