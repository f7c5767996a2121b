import { Counter, Gauge, Histogram } from "prom-client";
import type { Registry } from "prom-client";

/** The scheduler's own work and its links to agents. */
export interface SchedulerMetrics {
  /** One step of the dispatcher. */
  decided(seconds: number): void;
  connectedNodes(nodes: number): void;
  /** One frame read from an agent or sent to one, with its size on the wire. */
  frame(direction: "from-agent" | "to-agent", kind: string, bytes: number): void;
  /** One connection of an agent turned away. */
  nodeRefused(reason: string): void;
  /** Whether this scheduler leads. */
  leading(leads: boolean): void;
}

const decisionSeconds = [0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1];

export function createSchedulerMetrics(registry: Registry): SchedulerMetrics {
  const registers = [registry];
  const decision = new Histogram({
    name: "coop_dispatch_decision_seconds",
    help: "Time of one step of the dispatcher: an event comes in, placements come out.",
    buckets: decisionSeconds,
    registers,
  });
  const nodes = new Gauge({ name: "coop_connected_nodes", help: "Nodes that are connected.", registers });
  const frames = new Counter({
    name: "coop_node_frames_total",
    help: "Frames exchanged with agents, by direction and kind.",
    labelNames: ["direction", "kind"],
    registers,
  });
  const bytes = new Counter({
    name: "coop_node_frame_bytes_total",
    help: "Bytes of the frames exchanged with agents, by direction.",
    labelNames: ["direction"],
    registers,
  });
  const refusals = new Counter({
    name: "coop_node_refusals_total",
    help: "Connections of agents turned away, by reason.",
    labelNames: ["reason"],
    registers,
  });
  const leader = new Gauge({
    name: "coop_scheduler_leading",
    help: "1 while the scheduler of this server leads, 0 while it stands by.",
    registers,
  });
  return {
    decided: (seconds) => decision.observe(seconds),
    connectedNodes: (connected) => nodes.set(connected),
    frame(direction, kind, size) {
      frames.inc({ direction, kind });
      bytes.inc({ direction }, size);
    },
    nodeRefused: (reason) => refusals.inc({ reason }),
    leading: (leads) => leader.set(leads ? 1 : 0),
  };
}
