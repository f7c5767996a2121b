import { collectDefaultMetrics, Registry } from "prom-client";
import { createFleetMetrics } from "./fleet-metrics.ts";
import type { FleetMetrics } from "./fleet-metrics.ts";
import { createHttpMetrics } from "./http-metrics.ts";
import type { HttpMetrics } from "./http-metrics.ts";
import { createJobMetrics } from "./job-metrics.ts";
import type { JobMetrics } from "./job-metrics.ts";
import { createMemberMetrics } from "./member-metrics.ts";
import type { MemberMetrics } from "./member-metrics.ts";
import { createSchedulerMetrics } from "./scheduler-metrics.ts";
import type { SchedulerMetrics } from "./scheduler-metrics.ts";
import { createStoreMetrics } from "./store-metrics.ts";
import type { StoreMetrics } from "./store-metrics.ts";

/**
 * What the parts of the co-op measure of themselves. No label ever carries a job, a prompt or a key; members appear
 * by their id, in their own gauges only.
 */
export interface Metrics
  extends HttpMetrics, JobMetrics, SchedulerMetrics, StoreMetrics, FleetMetrics, MemberMetrics {
  /** Everything measured so far, in the Prometheus text format. */
  render(): Promise<string>;
  /** Content type of what `render` gives. */
  readonly contentType: string;
}

/** Builds the metrics of one program, in a registry of their own. The program's own health is among them. */
export function createMetrics(): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  return {
    ...createHttpMetrics(registry),
    ...createJobMetrics(registry),
    ...createSchedulerMetrics(registry),
    ...createStoreMetrics(registry),
    ...createFleetMetrics(registry),
    ...createMemberMetrics(registry),
    render: () => registry.metrics(),
    contentType: registry.contentType,
  };
}
