import { createCalendar } from "@coop/core";
import { Hono } from "hono";
import { answerInOrder } from "./answering.ts";
import type { ApiDeps, ApiEnv } from "./deps.ts";
import { createFleetView } from "./fleet-view.ts";
import { createMemberLimits } from "./member-limits.ts";
import { healthRoutes } from "./routes/health.ts";
import { takeStock } from "./take-stock.ts";

export type MonitoringDeps = Pick<
  ApiDeps,
  | "accounting"
  | "board"
  | "clock"
  | "defaults"
  | "leads"
  | "log"
  | "members"
  | "metrics"
  | "metricsOfMembers"
  | "metricsToken"
  | "nodes"
  | "settings"
>;

/** The HTTP surface of a server that serves no members: whether it lives, and what it measured. */
export function createMonitoring(deps: MonitoringDeps): Hono<ApiEnv> {
  const { defaults, settings } = deps;
  const fleet = createFleetView({ clock: deps.clock, board: deps.board, maxAgeMs: defaults.fleetMaxAgeMs });
  const calendar = createCalendar(settings.timeZone);
  const maxAgeMs = defaults.shareMaxAgeMs;
  const { limitsOf } = createMemberLimits({ ...deps, quotas: settings.quotas, maxAgeMs });
  const app = new Hono<ApiEnv>();
  answerInOrder(app, deps);
  app.route(
    "/",
    healthRoutes({ ...deps, takeStock: () => takeStock({ ...deps, calendar, fleet, limitsOf }) }),
  );
  return app;
}
