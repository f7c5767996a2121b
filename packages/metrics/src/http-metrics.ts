import { Counter, Histogram } from "prom-client";
import type { Registry } from "prom-client";

/** What members' requests meet. */
export interface HttpMetrics {
  /** One answered request. `route` is the pattern (`/v1/jobs/:id`), never a path with ids in it. */
  httpRequest(route: string, status: number, seconds: number): void;
  /** A job that was not accepted; `reason` is the error's code, such as `quota_exceeded`. */
  jobRefused(reason: string): void;
}

const answerSeconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5, 30, 120];

export function createHttpMetrics(registry: Registry): HttpMetrics {
  const registers = [registry];
  const requests = new Histogram({
    name: "coop_http_request_seconds",
    help: "Time to answer a request, by route and status. A streamed answer counts until it ends.",
    labelNames: ["route", "status"],
    buckets: answerSeconds,
    registers,
  });
  const refusals = new Counter({
    name: "coop_job_refusals_total",
    help: "Jobs that were not accepted, by the code of the error that their member got.",
    labelNames: ["reason"],
    registers,
  });
  return {
    httpRequest: (route, status, seconds) => requests.observe({ route, status: String(status) }, seconds),
    jobRefused: (reason) => refusals.inc({ reason }),
  };
}
