import { monitorEventLoopDelay } from "node:perf_hooks";
import type { AgentFigures } from "@coop/core";

/** How a process does. */
export type Vitals = Pick<AgentFigures, "residentBytes" | "eventLoopLagP99Ms">;

/** Rare enough to cost an agent at rest nothing that shows. */
const LOOK_EVERY_MS = 100;

/** Watches this process. Each reading begins anew. */
export function watchVitals(): { readonly read: () => Vitals; readonly close: () => void } {
  const delays = monitorEventLoopDelay({ resolution: LOOK_EVERY_MS });
  delays.enable();
  return {
    read() {
      // The histogram holds times between looks. Before the first one there is nothing to tell.
      const p99Ms = delays.count === 0 ? LOOK_EVERY_MS : delays.percentile(99) / 1e6;
      delays.reset();
      const eventLoopLagP99Ms = Math.max(0, p99Ms - LOOK_EVERY_MS);
      return { residentBytes: process.memoryUsage.rss(), eventLoopLagP99Ms };
    },
    close: () => void delays.disable(),
  };
}
