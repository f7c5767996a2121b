/** The node's program as a library: an agent, and the port that its engine fills. */
export { Agent } from "./agent.ts";
export type { AgentDeps, AgentStop } from "./agent.ts";
export type * from "./engines/engine.ts";
export type { AgentIdentity } from "./identity.ts";
export type { NodeSnapshot } from "./reporting.ts";
export { createSlots } from "./slots.ts";
export type { Slots } from "./slots.ts";
export type { AgentStatus } from "./status.ts";
export type { SupervisionEnd } from "./supervisor.ts";
export type { CancelTimer, Timing } from "./timing.ts";
