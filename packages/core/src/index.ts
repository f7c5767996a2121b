/** The pure heart of the co-op: words, rules and decisions. No I/O, no clock, no randomness but through ports. */
export * from "./terms.ts";
export * from "./clock.ts";
export * from "./assert.ts";
export * from "./operational-error.ts";
export * from "./job/job.ts";
export * from "./job/output.ts";
export * from "./job/failure.ts";
export * from "./fleet/node.ts";
export * from "./placement/explanation.ts";
export * from "./dispatcher/events.ts";
export * from "./ports/job-store.ts";
export * from "./ports/output-log.ts";
export * from "./ports/membership.ts";
export * from "./ports/fleet-board.ts";
export * from "./ports/leadership.ts";
export * from "./ports/server-identity.ts";
export * from "./ports/log.ts";
