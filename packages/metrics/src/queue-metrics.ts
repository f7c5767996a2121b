import { TIERS } from "@coop/core";
import type { FleetSnapshot } from "@coop/core";
import { Gauge } from "prom-client";
import type { Registry } from "prom-client";

/** Shows the jobs that wait, as a snapshot of the fleet tells; nothing for none. */
export type ShowQueues = (snapshot: FleetSnapshot | null, nowMs: number) => void;

export function createQueueMetrics(registry: Registry): ShowQueues {
  const gauge = (name: string, help: string) =>
    new Gauge({ name, help, labelNames: ["tier"], registers: [registry] });
  const depth = gauge("coop_queue_depth_jobs", "Jobs that wait for a node, by the tier that they ask for.");
  const oldest = gauge(
    "coop_queue_oldest_wait_seconds",
    "For how long the oldest of the jobs that wait has waited since it was accepted, by the tier that they ask for; 0 when none waits.",
  );
  return (snapshot, nowMs) => {
    for (const shown of [depth, oldest]) shown.reset();
    const queues = snapshot?.queues;
    if (queues === undefined) return;
    for (const tier of TIERS) {
      const { jobs, oldestMs } = queues[tier];
      depth.set({ tier }, jobs);
      oldest.set({ tier }, oldestMs === null ? 0 : Math.max(0, nowMs - oldestMs) / 1000);
    }
  };
}
