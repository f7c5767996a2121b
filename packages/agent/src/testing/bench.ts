import { assert, asJobId, asNodeId } from "@coop/core";
import type { Log, Machine, NodeReport } from "@coop/core";
import type { Assign } from "@coop/protocol";
import { Agent } from "../agent.ts";
import type { NodeMemory, NodeSnapshot } from "../reporting.ts";
import { createSlots } from "../slots.ts";
import type { SupervisionEnd } from "../supervisor.ts";
import { createFakeScheduler } from "./fake-scheduler.ts";
import type { FakeScheduler } from "./fake-scheduler.ts";
import { createManualTiming } from "./manual-timing.ts";
import type { ManualTiming } from "./manual-timing.ts";
import { createScriptedEngine } from "./scripted-engine.ts";
import type { ScriptedEngine } from "./scripted-engine.ts";

/** A whole agent with its time, engine and scheduler in a test's hands. */
export interface Bench extends AsyncDisposable {
  readonly agent: Agent;
  readonly scheduler: FakeScheduler;
  readonly engine: ScriptedEngine;
  readonly timing: ManualTiming;
  readonly drain: AbortController;
  readonly abort: AbortController;
  /** How the agent ended. */
  readonly ended: Promise<SupervisionEnd>;
  /** What it logged, one line each. */
  readonly lines: readonly string[];
  /** What the next look at the node finds. */
  snapshot: NodeSnapshot;
  /** What the owner has against a model. */
  refusal: (model: string) => string | null;
  /** Moves time on, step by step, until the condition holds. */
  advanceUntil(stepMs: number, condition: () => boolean): Promise<void>;
}

export const report: NodeReport = {
  models: [model("small", false), model("far", true)],
  slots: 2,
  modelMemoryBytes: 8e9,
  interference: { value: 1, basis: "prior" },
  pressure: "normal",
  thermal: "nominal",
  power: "mains",
  tokensPerDay: null,
  tokensPerMonth: null,
  servingSecondsPerDay: 86_400,
  availability: { kind: "open" },
  draining: false,
  unhealthy: {},
};

/** Plenty of memory, with nothing in it that could leave. */
export const memory: NodeMemory = { freeBytes: 8e9, keepFreeBytes: 1e9, residents: [] };

export const machine: Machine = {
  chip: "Test chip",
  profile: null,
  platform: "linux-x64",
  memoryBytes: 16e9,
  simulated: false,
  agentVersion: "0",
  engine: "scripted 1",
};

function model(name: string, cloud: boolean): NodeReport["models"][number] {
  const figure = (value: number) => ({ value, basis: "prior" as const });
  return {
    name,
    digest: "d",
    capabilities: ["completion"],
    contextTokens: 4096,
    parameterCount: 1e9,
    cloud,
    loaded: true,
    residentBytes: 1e9,
    capacity: {
      fixedMsPerToken: figure(1),
      effectiveBytesPerSecond: figure(1e11),
      prefillTokensPerSecond: figure(500),
      batchFactor: figure(0.2),
      loadMs: figure(1000),
      weightBytesPerToken: 1e9,
      kvBytesPerToken: 1e5,
    },
  };
}

/** Name of a model that the bench's owner pinned. */
export const PINNED = "pinned";

/** Starts an agent against a scheduler of its own. Disposing stops it and proves that it left nothing behind. */
export async function startBench(): Promise<Bench> {
  const before = openHandles();
  const scheduler = await createFakeScheduler();
  const engine = createScriptedEngine();
  const timing = createManualTiming();
  const lines: string[] = [];
  const drain = new AbortController();
  const abort = new AbortController();
  const bench = {
    snapshot: { machine, report, engineProblem: null, memory, notAllowed: [] } as NodeSnapshot,
    refusal: (_model: string): string | null => null,
  };
  const agent = new Agent({
    identity: scheduler.identity(),
    engine,
    slots: createSlots(report.slots),
    timing,
    random: { next: () => 0 },
    log: keepLines(lines),
    look: () => Promise.resolve(bench.snapshot),
    onOutcome: (name, outcome) => lines.push(`outcome ${name} ${outcome.kind}`),
    onConnected: () => lines.push("connected"),
    onStatus: () => undefined,
    vitals: () => ({ residentBytes: 6e7, eventLoopLagP99Ms: 2 }),
    owner: {
      availability: () => ({ kind: "open" }),
      refusal: (model) => bench.refusal(model),
      pinnedModels: () => [PINNED],
      status: () => ({
        hours: "always",
        servingSecondsPerDay: 86_400,
        pauseWhenActiveMs: null,
        idleness: null,
        problem: null,
      }),
    },
  });
  const ended = agent.run({ drain: drain.signal, abort: abort.signal });
  const advanceUntil = async (stepMs: number, condition: () => boolean): Promise<void> => {
    for (let round = 0; round < 2_000; round += 1) {
      if (condition()) return;
      timing.advance(stepMs);
      for (let turn = 0; turn < 5; turn += 1) await nextRound();
    }
    throw new Error(`nothing came of it; the agent logged:\n${lines.join("\n")}`);
  };
  const dispose = async (): Promise<void> => {
    let over = false;
    void ended.then(() => (over = true));
    abort.abort();
    await advanceUntil(100, () => over);
    await scheduler.close();
    assert(timing.pending === 0, `${timing.pending} timers are left`);
    await untilAsBefore(before);
  };
  return Object.assign(bench, {
    agent,
    scheduler,
    engine,
    timing,
    drain,
    abort,
    ended,
    lines,
    advanceUntil,
    [Symbol.asyncDispose]: dispose,
  });
}

/** An assign that this bench's node may run. */
export const assignOf = (job: string, overrides: Partial<Assign> = {}): Assign => ({
  kind: "assign",
  job: asJobId(job),
  epoch: 1,
  model: "small",
  request: {
    kind: "chat",
    messages: [{ role: "user", content: "secret words" }],
    sampling: {},
    maxOutputTokens: 100,
  },
  deadlineMs: 0,
  remainingMs: 300_000,
  privacy: "coop",
  allowedNodes: [asNodeId("node_1")],
  promptTokensMax: 50,
  ...overrides,
});

/** Lets everything that is ready happen, sockets included. */
export const nextRound = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const openHandles = (): number =>
  process.getActiveResourcesInfo().filter((kind) => /^(TCP|Timeout|FSReq)/.test(kind)).length;

async function untilAsBefore(before: number): Promise<void> {
  for (let round = 0; round < 1_000 && openHandles() > before; round += 1) await nextRound();
  assert(openHandles() <= before, `left behind: ${process.getActiveResourcesInfo().join(", ")}`);
}

/** A log that keeps its lines. */
export const keepLines = (lines: string[]): Log => {
  const keep = (fields: Readonly<Record<string, unknown>>, message: string) =>
    void lines.push(`${message} ${JSON.stringify(fields)}`);
  return { debug: keep, info: keep, warn: keep, error: keep };
};
