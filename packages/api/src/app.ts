import { createCalendar } from "@coop/core";
import { JOIN_PATH } from "@coop/protocol";
import { Hono } from "hono";
import { createAdmission } from "./admission.ts";
import { answerInOrder } from "./answering.ts";
import { audited } from "./audit/audited.ts";
import { authenticate, createAuthentication, operatorsOnly } from "./authenticate.ts";
import { forgetDelivered } from "./delivery.ts";
import type { ApiContext, ApiDeps, ApiEnv } from "./deps.ts";
import { chatCompletions } from "./dialects/openai/chat.ts";
import { embeddings } from "./dialects/openai/embeddings.ts";
import { getModel, listModels } from "./dialects/openai/models.ts";
import { createFleetView } from "./fleet-view.ts";
import { createFollowing } from "./following.ts";
import { createKeyUse } from "./key-use.ts";
import { createMemberLimits } from "./member-limits.ts";
import { createMonthReading } from "./month-reading.ts";
import { openapiRoutes } from "./openapi/routes.ts";
import { createSessionCookie } from "./page/cookie.ts";
import { createPulse } from "./page/pulse.ts";
import { pageRoutes } from "./page/routes.ts";
import { createSessions } from "./page/session.ts";
import { adminRoutes } from "./routes/admin.ts";
import { auditRoutes } from "./routes/audit.ts";
import { eraseMember, refuseErased } from "./routes/erase.ts";
import { fleetRoutes } from "./routes/fleet.ts";
import { healthRoutes } from "./routes/health.ts";
import { installRoutes } from "./routes/install.ts";
import { jobRoutes } from "./routes/jobs.ts";
import { join } from "./routes/join.ts";
import { replayRoutes } from "./routes/replay.ts";
import { anyStatement, ownStatement } from "./routes/statement.ts";
import { anyUsage, ownUsage } from "./routes/usage.ts";
import { settingsInForce } from "./routes/settings.ts";
import { takeSnapshot } from "./routes/snapshots.ts";
import { takeStock } from "./take-stock.ts";

export interface Api {
  readonly app: Hono<ApiEnv>;
  /**
   * Cancels the attached jobs that this process serves, now and from now on: nobody will read them, and their
   * members hear why. Resolves when the store has taken it, or is away. Detached jobs run on.
   */
  stop(): Promise<void>;
}

/** The HTTP surface of the co-op over the ports it is given. */
export function createApi(deps: ApiDeps): Api {
  const { defaults } = deps;
  const fleet = createFleetView({ clock: deps.clock, board: deps.board, maxAgeMs: defaults.fleetMaxAgeMs });
  const calendar = createCalendar(deps.settings.timeZone);
  const following = createFollowing({ ...deps, ...defaults });
  const { limitsOf, forgetShare } = createMemberLimits({
    ...deps,
    quotas: deps.settings.quotas,
    maxAgeMs: defaults.shareMaxAgeMs,
  });
  const admit = createAdmission({ ...deps, fleet, calendar, limitsOf });
  const attached = { ...deps, following, admit };

  const app = new Hono<ApiEnv>();
  answerInOrder(app, deps);

  const sessions = createSessions(deps.pepper);
  const cookie = createSessionCookie(deps.publicUrl);
  const authentication = createAuthentication({ ...deps, sessions, cookie });
  const member = authenticate(authentication, createKeyUse(deps));
  app.use("/v1/*", member);
  if (deps.settings.retentionMs === 0) app.use("/v1/*", forgetDelivered({ ...deps, following }));
  app.post("/v1/chat/completions", chatCompletions(attached));
  app.post("/v1/embeddings", embeddings(attached));
  app.get("/v1/models", listModels(fleet));
  app.get("/v1/models/*", getModel(fleet));
  app.route("/v1/jobs", jobRoutes({ ...deps, fleet, admit }));
  app.route("/v1", fleetRoutes({ ...deps, fleet, calendar, limitsOf }));
  const reports = { ...deps, calendar, reading: createMonthReading({ ...deps, limitsOf }) };
  app.get("/v1/usage", ownUsage(reports));
  app.get("/v1/statement", ownStatement(reports));
  app.use("/admin/*", member, operatorsOnly, audited(deps), refuseErased(deps), afterChanges(forgetShare));
  app.delete("/admin/members/:id", eraseMember(deps));
  app.route("/admin/audit", auditRoutes(deps));
  app.get("/admin/settings", settingsInForce(deps));
  app.post("/admin/snapshots", takeSnapshot(deps));
  app.get("/admin/usage", anyUsage(reports));
  app.get("/admin/statement", anyStatement(reports));
  app.route("/admin/replay", replayRoutes({ ...deps, fleet }));
  app.route("/admin", adminRoutes({ ...deps, calendar, limitsOf }));
  app.post(JOIN_PATH, join(deps));
  app.route(
    "/",
    healthRoutes({ ...deps, takeStock: () => takeStock({ ...deps, calendar, fleet, limitsOf }) }),
  );
  app.route("/", openapiRoutes(deps));
  app.route("/", installRoutes(deps));
  const pulse = createPulse({ fleet, agentVersion: deps.agentPackage?.version ?? null });
  app.route("/", pageRoutes({ ...deps, ...defaults, calendar, authentication, sessions, cookie, pulse }));
  return { app, stop: following.stop };
}

/** Says so when a request that may have changed something was answered. */
const afterChanges =
  (changed: () => void) =>
  async (c: ApiContext, next: () => Promise<void>): Promise<void> => {
    await next();
    if (c.req.method !== "GET") changed();
  };
