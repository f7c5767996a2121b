import type {
  Figure,
  Machine,
  ModelCapacity,
  ModelReport,
  NodeIdentity,
  NodeReport,
  NodeView,
} from "../fleet/node.ts";
import type { NodeBudget } from "../budget/node-budget.ts";
import type { JobSpec } from "../job/job.ts";
import type { DispatchEvent } from "../dispatcher/events.ts";
import { asJobId, asMemberId, asNodeId } from "../terms.ts";
import { tierOfModel } from "../catalogue/tiers.ts";

/** The noon that `createManualClock` starts at. */
const NOON_MS = Date.UTC(2026, 2, 1, 12);

const measured = (value: number): Figure => ({ value, basis: "measured" });

/** A short interactive chat for any model of at least `edge`, submitted at the manual clock's start. */
export function buildJobSpec(changes: Partial<JobSpec> = {}): JobSpec {
  return {
    id: asJobId("job_1"),
    member: asMemberId("mem_ada"),
    weight: 1,
    endpoint: "chat",
    target: { kind: "tier", tier: "edge" },
    askedTier: "edge",
    privacy: "coop",
    needs: [],
    promptTokens: 200,
    promptTokensMax: 464,
    maxOutputTokens: 512,
    band: "interactive",
    attachment: "attached",
    streamed: changes.attachment !== "detached",
    submittedAtMs: NOON_MS,
    deadlineMs: NOON_MS + 300_000,
    session: null,
    ...changes,
  };
}

/** About a 3B model at 4 bits on an M4 Max: 8 ms a token. */
export function buildModelCapacity(changes: Partial<ModelCapacity> = {}): ModelCapacity {
  return {
    fixedMsPerToken: measured(4),
    effectiveBytesPerSecond: measured(500e9),
    prefillTokensPerSecond: measured(2_000),
    batchFactor: measured(0.2),
    loadMs: measured(1_500),
    weightBytesPerToken: 2e9,
    kvBytesPerToken: 114_688,
    ...changes,
  };
}

/** A loaded llama3.2:3b (tier `edge`) with 16,384 tokens of context. */
export function buildModelReport(changes: Partial<ModelReport> = {}): ModelReport {
  const name = changes.name ?? "llama3.2:3b";
  return {
    name,
    digest: `sha256:${name}`,
    capabilities: ["completion", "tools"],
    contextTokens: 16_384,
    parameterCount: 3_210_000_000,
    cloud: false,
    loaded: true,
    residentBytes: 4e9,
    capacity: buildModelCapacity(),
    ...changes,
  };
}

/** A healthy node of four slots on mains with one loaded model and no token budget. */
export function buildNodeReport(changes: Partial<NodeReport> = {}): NodeReport {
  return {
    models: [buildModelReport()],
    slots: 4,
    modelMemoryBytes: 88e9,
    interference: measured(1),
    pressure: "normal",
    thermal: "nominal",
    power: "mains",
    tokensPerDay: null,
    tokensPerMonth: null,
    servingSecondsPerDay: 86_400,
    availability: { kind: "open" },
    draining: false,
    unhealthy: {},
    ...changes,
  };
}

export function buildMachine(changes: Partial<Machine> = {}): Machine {
  return {
    chip: "Apple M4 Max",
    profile: "mac-studio-m4-max-128",
    platform: "darwin-arm64",
    memoryBytes: 128 * 2 ** 30,
    simulated: false,
    agentVersion: "0.1.0",
    engine: "ollama 0.35.1",
    ...changes,
  };
}

export function buildNodeIdentity(changes: Partial<NodeIdentity> = {}): NodeIdentity {
  return { id: asNodeId("node_studio"), name: "studio", owner: asMemberId("mem_owner"), ...changes };
}

/** All of the budget that a report names is left; day and month are those of the manual clock's start, in UTC. */
export const buildNodeBudget = (
  limits: Partial<Pick<NodeReport, "tokensPerDay" | "tokensPerMonth">> = {},
): NodeBudget => ({
  dayLeftTokens: limits.tokensPerDay ?? null,
  dayEndsMs: Date.UTC(2026, 2, 2),
  monthLeftTokens: limits.tokensPerMonth ?? null,
  monthEndsMs: Date.UTC(2026, 3, 1),
});

/** An idle connected node of the fleet snapshot; tiers follow from its models unless given. */
export function buildNodeView(changes: Partial<NodeView> = {}): NodeView {
  const report = changes.report ?? buildNodeReport();
  return {
    identity: buildNodeIdentity(),
    machine: buildMachine(),
    report,
    connected: true,
    lastSeenMs: NOON_MS,
    active: [],
    budget: buildNodeBudget(report),
    tiers: Object.fromEntries(report.models.map((model) => [model.name, tierOfModel(model)])),
    ...changes,
  };
}

/** The event of a node that joins and runs nothing yet. */
export function buildNodeJoined(
  changes: Partial<Extract<DispatchEvent, { kind: "node-joined" }>> = {},
): Extract<DispatchEvent, { kind: "node-joined" }> {
  const report = changes.report ?? buildNodeReport();
  return {
    kind: "node-joined",
    identity: buildNodeIdentity(),
    machine: buildMachine(),
    report,
    running: [],
    budget: buildNodeBudget(report),
    ...changes,
  };
}
