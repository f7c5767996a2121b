import { OperationalError } from "@coop/core";
import type { Hono } from "hono";
import { routePath } from "hono/route";
import type { ApiContext, ApiDeps, ApiEnv } from "./deps.ts";
import { problemBody, problemHeaders, ProblemError } from "./problem.ts";

export type AnsweringDeps = Pick<ApiDeps, "clock" | "log" | "metrics">;

/** Has every request of an app measured, and everything that goes wrong answered in one form. */
export function answerInOrder(app: Hono<ApiEnv>, deps: AnsweringDeps): void {
  app.use(measure(deps));
  app.onError((error, c) => answerError(deps, error, c));
  app.notFound((c) =>
    c.json(
      problemBody(404, { code: "unknown_path", message: `There is no ${c.req.method} ${c.req.path} here.` }),
      404,
    ),
  );
}

/** One line and one measurement for each answered request; a stream is answered when it is over. */
function measure({ clock, log, metrics }: AnsweringDeps) {
  return async (c: ApiContext, next: () => Promise<void>): Promise<void> => {
    const startedMs = clock.now();
    await next();
    const record = (): void => {
      const route = routePath(c, -1);
      const tookMs = clock.now() - startedMs;
      metrics.httpRequest(route, c.res.status, tookMs / 1000);
      log.debug(
        { method: c.req.method, route, status: c.res.status, tookMs, job: c.res.headers.get("x-coop-job") },
        "answered",
      );
    };
    const streamEnded = c.get("streamEnded");
    if (streamEnded === undefined) record();
    else void streamEnded.then(record);
  };
}

/** Refusals as they are, a world that fails as 503, and a bug as 500 with nothing of it but in the log. */
function answerError({ log, metrics }: AnsweringDeps, error: Error, c: ApiContext): Response {
  const problem = asProblem(error);
  if (c.req.method === "POST" && c.req.path.startsWith("/v1/")) {
    metrics.jobRefused(problem?.details.code ?? "internal_error");
  }
  if (problem === null) {
    log.error({ route: routePath(c, -1), name: error.name, stack: error.stack }, "a request failed on a bug");
    return c.json(
      problemBody(500, {
        code: "internal_error",
        message: "The server failed on this request. Its operator finds why in the log.",
      }),
      500,
    );
  }
  if (error instanceof OperationalError)
    log.warn({ route: routePath(c, -1), code: error.code }, error.message);
  return c.json(
    problemBody(problem.status, problem.details),
    problem.status,
    problemHeaders(problem.details),
  );
}

function asProblem(error: Error): ProblemError | null {
  if (error instanceof ProblemError) return error;
  if (!(error instanceof OperationalError)) return null;
  return new ProblemError(503, {
    code: error.code.replaceAll("-", "_"),
    message:
      "The co-op's store does not answer. A request that was under way may still have been accepted: repeat it with the same Idempotency-Key.",
    retryAfterS: 2,
  });
}
