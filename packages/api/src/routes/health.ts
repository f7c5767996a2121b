import { OperationalError } from "@coop/core";
import type { FleetBoard } from "@coop/core";
import type { Metrics } from "@coop/metrics";
import { Hono } from "hono";
import type { ApiContext, ApiEnv } from "../deps.ts";
import { ProblemError } from "../problem.ts";

export interface HealthRoutesDeps {
  readonly board: FleetBoard;
  readonly metrics: Pick<Metrics, "render" | "contentType">;
}

/** For whoever runs the server: whether it lives, whether it can serve, and what it measured. */
export function healthRoutes({ board, metrics }: HealthRoutesDeps): Hono<ApiEnv> {
  const routes = new Hono<ApiEnv>();
  routes.get("/healthz", (c) => c.json({ status: "ok" }));
  routes.get("/readyz", async (c) => {
    const { ready, store, scheduler } = await readiness(board);
    return c.json({ status: ready ? "ready" : "not-ready", store, scheduler }, ready ? 200 : 503);
  });
  routes.get("/metrics", async (c) => {
    if (!isFromThisMachine(c)) {
      throw new ProblemError(403, {
        code: "loopback_only",
        message: "Metrics are given to this machine only.",
      });
    }
    return c.body(await metrics.render(), 200, { "Content-Type": metrics.contentType });
  });
  return routes;
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
