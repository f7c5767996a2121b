export { createMetrics } from "./metrics.ts";
export type { Metrics } from "./metrics.ts";
export type { AttemptPlace, JobOutcome } from "./job-metrics.ts";
export type { MemberFigures } from "./member-metrics.ts";
