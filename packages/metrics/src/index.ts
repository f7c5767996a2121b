export { createMetrics, describeMetrics } from "./metrics.ts";
export type { MetricDescription, Metrics } from "./metrics.ts";
export type { JobOutcome } from "./job-metrics.ts";
export type { AttemptPlace, NodeLabels } from "./served-metrics.ts";
export type { MemberFigures } from "./member-metrics.ts";
