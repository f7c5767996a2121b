export { createMetrics } from "./metrics.ts";
export type { JobOutcome, Metrics } from "./metrics.ts";
