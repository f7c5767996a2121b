import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client";
import { createFleetMetrics } from "./fleet-metrics.ts";
import type { FleetMetrics } from "./fleet-metrics.ts";
import { createHttpMetrics } from "./http-metrics.ts";
import type { HttpMetrics } from "./http-metrics.ts";
import { createJobMetrics } from "./job-metrics.ts";
import type { JobMetrics } from "./job-metrics.ts";
import { createMemberMetrics } from "./member-metrics.ts";
import type { MemberMetrics } from "./member-metrics.ts";
import { createServedMetrics } from "./served-metrics.ts";
import type { ServedMetrics } from "./served-metrics.ts";
import { createSchedulerMetrics } from "./scheduler-metrics.ts";
import type { SchedulerMetrics } from "./scheduler-metrics.ts";
import { createStoreMetrics } from "./store-metrics.ts";
import type { StoreMetrics } from "./store-metrics.ts";

/**
 * What the parts of the co-op measure of themselves. No label ever carries a job, a prompt or a key; members appear
 * by their id, in their own gauges only.
 */
export interface Metrics
  extends
    HttpMetrics,
    JobMetrics,
    ServedMetrics,
    SchedulerMetrics,
    StoreMetrics,
    FleetMetrics,
    MemberMetrics {
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
    ...createOwn(registry),
    render: () => registry.metrics(),
    contentType: registry.contentType,
  };
}

const createOwn = (registry: Registry) => ({
  ...createHttpMetrics(registry),
  ...createJobMetrics(registry),
  ...createServedMetrics(registry),
  ...createSchedulerMetrics(registry),
  ...createStoreMetrics(registry),
  ...createFleetMetrics(registry),
  ...createMemberMetrics(registry),
});

/** One of the co-op's own metrics, as its documentation names it. */
export interface MetricDescription {
  readonly name: string;
  readonly type: string;
  readonly labels: readonly string[];
  readonly help: string;
}

/** Every metric of the co-op's own, by name. Those of the Node process beside them come with their own help. */
export function describeMetrics(): readonly MetricDescription[] {
  const registry = new Registry();
  createOwn(registry);
  return registry
    .getMetricsAsArray()
    .map((metric) => ({
      name: metric.name,
      type: typeOf(metric),
      labels: labelsOf(metric),
      help: metric.help,
    }))
    .toSorted((one, other) => one.name.localeCompare(other.name));
}

/** The library's typings leave out what it keeps of a metric. */
const labelsOf = (metric: object): readonly string[] =>
  "labelNames" in metric && Array.isArray(metric.labelNames) ? metric.labelNames.map(String) : [];

function typeOf(metric: object): string {
  for (const [type, kind] of Object.entries({ counter: Counter, gauge: Gauge, histogram: Histogram }))
    if (metric instanceof kind) return type;
  throw new Error("a metric is neither counter, gauge nor histogram");
}
