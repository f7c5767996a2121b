/** Doubles and builders for tests and simulations: the only door besides the package's own. */
export * from "./manual-clock.ts";
export * from "./seeded-random.ts";
export * from "./builders.ts";
