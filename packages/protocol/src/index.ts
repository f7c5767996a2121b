/** What crosses the wire: frames between agent and scheduler, and shapes of the HTTP surface. */
export * from "./version.ts";
export * from "./engine-request.ts";
export * from "./node-report.ts";
export * from "./deltas.ts";
export * from "./agent-to-scheduler.ts";
export * from "./scheduler-to-agent.ts";
export * from "./proof.ts";
export * from "./codec.ts";
export * from "./turn-batch.ts";
export * from "./join.ts";
export * from "./http.ts";
export * from "./ledger.ts";
export * from "./placement.ts";
export * from "./openai-request.ts";
export * from "./openai-answer.ts";
export * from "./usage.ts";
export * from "./statement.ts";
