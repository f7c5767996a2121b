import { Gauge, Histogram } from "prom-client";
import type { Registry } from "prom-client";

/** The store behind the server, and whether its books are right. */
export interface StoreMetrics {
  /** One step in the store, such as `admit`, from the call to its answer. */
  storeStep(step: string, seconds: number): void;
  /** What the store may lose: `weak` when a crash of it or of its machine could lose what was accepted. */
  persistence(strength: "strong" | "weak"): void;
  /** Whether the store answered when the metrics were asked for. */
  storeReachable(reachable: boolean): void;
  /** What the last check of the ledger found; 0 when everything agrees. */
  ledgerChecked(findings: number, atMs: number): void;
}

const stepSeconds = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 1];

export function createStoreMetrics(registry: Registry): StoreMetrics {
  const registers = [registry];
  const steps = new Histogram({
    name: "coop_store_step_seconds",
    help: "Time that one step in Redis took, seen from the server, by step.",
    labelNames: ["step"],
    buckets: stepSeconds,
    registers,
  });
  const weak = new Gauge({
    name: "coop_store_persistence_weak",
    help: "1 when Redis may lose accepted jobs in a crash: not every write is on disk before it is answered.",
    registers,
  });
  const reachable = new Gauge({
    name: "coop_store_reachable",
    help: "1 when Redis answered as these metrics were asked for. At 0 fleet and members are missing among them.",
    registers,
  });
  const findings = new Gauge({
    name: "coop_ledger_findings",
    help: "Balances that the last check of the ledger found to differ; 0 when the books agree.",
    registers,
  });
  const checked = new Gauge({
    name: "coop_ledger_checked_timestamp_seconds",
    help: "When the ledger was last checked, seconds since the Unix epoch; 0 when it was not since the start.",
    registers,
  });
  return {
    storeStep: (step, seconds) => steps.observe({ step }, seconds),
    persistence: (strength) => weak.set(strength === "weak" ? 1 : 0),
    storeReachable: (answered) => reachable.set(answered ? 1 : 0),
    ledgerChecked(found, atMs) {
      findings.set(found);
      checked.set(atMs / 1000);
    },
  };
}
