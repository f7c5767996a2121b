import type { NodeView } from "@coop/core";
import { Gauge } from "prom-client";
import type { Registry } from "prom-client";

/** What agents measure of themselves and send through the server: no port is open at any member's home. */
export function createAgentMetrics(registry: Registry) {
  const gauge = (name: string, help: string) =>
    new Gauge({ name, help, labelNames: ["node", "owner"], registers: [registry] });
  const resident = gauge("coop_agent_resident_memory_bytes", "Memory that the agent's own process takes.");
  const lag = gauge(
    "coop_agent_event_loop_lag_p99_seconds",
    "How late the agent's process was, at worst in 99 of 100 looks since its last report.",
  );
  const reconnects = gauge(
    "coop_agent_reconnects",
    "Times that the agent had to connect anew since it started. Grows with each broken connection.",
  );
  const unconfirmed = gauge(
    "coop_agent_unconfirmed_output_bytes",
    "Output that the agent keeps because the server has not confirmed it yet.",
  );
  return {
    reset(): void {
      for (const shown of [resident, lag, reconnects, unconfirmed]) shown.reset();
    },
    show({ identity, connected, report: { agent } }: NodeView): void {
      if (agent === undefined || !connected) return;
      const node = { node: identity.name, owner: identity.owner };
      resident.set(node, agent.residentBytes);
      lag.set(node, agent.eventLoopLagP99Ms / 1000);
      reconnects.set(node, agent.reconnects);
      unconfirmed.set(node, agent.unconfirmedBytes);
    },
  };
}
