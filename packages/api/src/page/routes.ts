import type { Calendar, Clock, CoopSettings } from "@coop/core";
import { Hono } from "hono";
import type { Authentication } from "../authenticate.ts";
import type { ApiContext, ApiEnv, Caller } from "../deps.ts";
import { ProblemError } from "../problem.ts";
import { SSE_HEADERS, sseEvent, sseStream } from "../sse.ts";
import { readAssets } from "./assets.ts";
import { assertFromOwnPage } from "./cookie.ts";
import type { SessionCookie } from "./cookie.ts";
import { machineRows, pageDocument } from "./document.ts";
import type { Pulse } from "./pulse.ts";
import type { Sessions } from "./session.ts";

export interface PageRoutesDeps {
  readonly clock: Clock;
  readonly calendar: Calendar;
  readonly settings: CoopSettings;
  readonly authentication: Authentication;
  readonly sessions: Sessions;
  readonly cookie: SessionCookie;
  readonly pulse: Pulse;
  readonly stalledReaderMs: number;
}

/** Everything a page of ours may load is from here, and no script or style stands in the page itself. */
const PAGE_HEADERS = {
  "Content-Type": "text/html; charset=utf-8",
  "Content-Security-Policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
  "X-Content-Type-Options": "nosniff",
  "Referrer-Policy": "same-origin",
  "Cache-Control": "no-store",
};

/** People who look at the live fleet at once; each costs one connection. */
const MOST_WATCHERS = 1_000;

/** The co-op's page for people, at `/`. */
export function pageRoutes(deps: PageRoutesDeps): Hono<ApiEnv> {
  const routes = new Hono<ApiEnv>();
  routes.get("/", async (c) => answerPage(deps, c, await signedIn(deps, c), null));
  routes.post("/page/sign-in", async (c) => signIn(deps, c));
  routes.post("/page/sign-out", (c) => {
    assertFromOwnPage(c);
    deps.cookie.remove(c);
    return c.redirect("/", 303);
  });
  const watch = liveFleet(deps);
  routes.get("/page/live", (c) => watch(c));
  for (const [name, { type, text, etag }] of readAssets()) {
    const headers = { "Content-Type": type, "Cache-Control": "no-cache", ETag: etag };
    routes.get(`/page/${name}`, (c) =>
      c.req.header("if-none-match") === etag
        ? c.body(null, 304, { ETag: etag })
        : c.body(text, 200, { ...headers, "X-Content-Type-Options": "nosniff" }),
    );
  }
  return routes;
}

async function answerPage(
  { calendar, clock, pulse, settings }: PageRoutesDeps,
  c: ApiContext,
  caller: Caller | null,
  problem: string | null,
): Promise<Response> {
  const text = await pageDocument({
    coopName: settings.name,
    caller,
    fleet: await pulse.now(),
    history: pulse.history(),
    month: calendar.monthOf(clock.now()),
    problem,
  });
  return c.body(text, problem === null ? 200 : 401, PAGE_HEADERS);
}

/** Who the browser is signed in as; null for nobody, also when the session or its key no longer serves. */
async function signedIn({ authentication }: PageRoutesDeps, c: ApiContext): Promise<Caller | null> {
  try {
    return await authentication.bySession(c);
  } catch (error) {
    if (error instanceof ProblemError) return null;
    throw error;
  }
}

async function signIn(deps: PageRoutesDeps, c: ApiContext): Promise<Response> {
  assertFromOwnPage(c);
  const { key } = await c.req.parseBody();
  let caller: Caller;
  try {
    caller = await deps.authentication.byKey(typeof key === "string" ? key.trim() : "");
  } catch (error) {
    if (!(error instanceof ProblemError)) throw error;
    return answerPage(deps, c, null, error.details.message);
  }
  deps.cookie.write(c, deps.sessions.seal(caller.key.id, deps.clock.now()));
  return c.redirect("/", 303);
}

function liveFleet({ pulse, stalledReaderMs }: PageRoutesDeps): (c: ApiContext) => Response {
  let watchers = 0;
  return (c) => {
    if (watchers >= MOST_WATCHERS) {
      throw new ProblemError(503, {
        code: "too_many_watchers",
        message: "Too many people watch the fleet at this moment. Reload the page in a minute.",
        retryAfterS: 60,
      });
    }
    watchers += 1;
    const gone = new AbortController();
    const frames = async function* (): AsyncGenerator<string, void> {
      for await (const fleet of pulse.watch(gone.signal)) {
        const { nodes, ...sums } = fleet;
        yield sseEvent(JSON.stringify({ ...sums, rows: await machineRows(nodes) }), { event: "fleet" });
      }
    };
    const { body, ended } = sseStream(frames(), () => gone.abort(), stalledReaderMs);
    void ended.finally(() => {
      watchers -= 1;
    });
    c.set("streamEnded", ended);
    return c.body(body, 200, { ...SSE_HEADERS });
  };
}
