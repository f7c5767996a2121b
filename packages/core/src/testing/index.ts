/** Doubles and builders for tests and simulations: the only door besides the package's own. */
export * from "./manual-clock.ts";
export * from "./seeded-random.ts";
export * from "./builders.ts";
export * from "./plan-builders.ts";
export * from "./memory-leadership.ts";
export * from "./memory-wake-ups.ts";
export * from "./memory-fleet-board.ts";
export * from "./memory-membership.ts";
export * from "./memory-node-registry.ts";
export * from "./memory-accounts.ts";
export * from "./memory-output-log.ts";
export * from "./memory-job-store.ts";
export * from "./json-paths.ts";
export * from "./memory-audit-log.ts";
export * from "./memory-erasures.ts";
export * from "./usage-sums.ts";
