import { findMachineProfile, matchMachine, priorCapacity, throughputOf, UNKNOWN_MACHINE } from "@coop/core";
import type {
  Figure,
  Log,
  Machine,
  MachineRow,
  ModelCapacity,
  ModelReport,
  NodeReport,
  OwnersAvailability,
} from "@coop/core";
import { startCapacityLearning } from "./capacity-learning.ts";
import type { CapacityLearning } from "./capacity-learning.ts";
import type { CapacityStore } from "./capacity-store.ts";
import type {
  Engine,
  EngineDescription,
  EngineModel,
  EngineModels,
  EngineOutcome,
  GenerateRequest,
  SimulatedEngine,
} from "./engines/engine.ts";
import { createModelHealth } from "./model-health.ts";
import type { ModelHealthDeps } from "./model-health.ts";
import {
  isLoadedWith,
  pinnedContextTokens,
  residentBytesOf,
  shapeOf,
  USUAL_CONTEXT_TOKENS,
} from "./model-sizing.ts";
import { allowsModel } from "./owner/allowed-models.ts";
import { autoTokensPerDay, limitTokens } from "./owner/auto-budget.ts";
import { servingSecondsPerDay } from "./owner/serving-hours.ts";
import type { MemoryAmount, OwnerSettings } from "./owner/settings.ts";
import type { MachineFacts, MachineState, Probe } from "./probe/probe.ts";
import type { NodeMemory, NodeSnapshot } from "./reporting.ts";
import type { Slots } from "./slots.ts";
import type { Timing } from "./timing.ts";

/** What the owner lets the node do at present; null where the agent decides. */
export interface NodeAllowance extends Pick<
  OwnerSettings,
  "slots" | "contextTokens" | "memory" | "freeMemory" | "budget" | "hours" | "models"
> {
  /** What the engine was set to run at once; more than that would queue in it, unseen. */
  readonly engineSlots: number | null;
  readonly availability: OwnersAvailability;
}

export interface NodeReporterDeps {
  readonly engine: Engine;
  readonly slots: Slots;
  readonly probe: Probe;
  readonly store: CapacityStore;
  /** Asked at each look. */
  readonly allowance: () => NodeAllowance;
  readonly agentVersion: string;
  readonly timing: Timing;
  readonly log: Log;
  /** Times for canaries other than the usual. */
  readonly canaries?: Pick<ModelHealthDeps, "limits" | "intervals">;
  /** The next look will say something else. */
  readonly onChange: () => void;
}

/** What the node can do: its engine's models, its machine, what was learned and what is broken. */
export interface NodeReporter {
  /** Looks at machine and engine. An engine that is away is part of the answer. */
  look(signal: AbortSignal): Promise<NodeSnapshot>;
  /** Takes in how an attempt ended. Call it as soon as the attempt's slot is free. */
  observe(model: string, outcome: EngineOutcome): void;
  close(): Promise<void>;
}

/** Share of the memory that models may use unless the owner says otherwise; beyond it machines froze. */
const MODEL_MEMORY_SHARE = 0.7;
/** Share of the machine's memory that stays free unless the owner says otherwise: above what counts as pressure. */
const FREE_MEMORY_SHARE = 0.1;
/** Concurrent generations unless the owner or the engine says otherwise: what Ollama runs by default. */
const USUAL_SLOTS = 1;
/** Until it is measured, models on one node are taken to share its time. */
const TIME_SLICED: Figure = { value: 1, basis: "prior" };
/** A simulated machine is as its model says, whatever its host goes through. */
const CALM: MachineState = { pressure: "normal", thermal: "nominal", power: "mains" };

export async function startNodeReporter(deps: NodeReporterDeps): Promise<NodeReporter> {
  const { engine, slots, probe, timing, log } = deps;
  const learning = await startCapacityLearning({ store: deps.store, timing });
  let models: readonly EngineModel[] = [];
  let reports: readonly ModelReport[] = [];
  let conditions: MachineState | null = null;
  const health = createModelHealth({
    ...deps.canaries,
    engine,
    slots,
    timing,
    log,
    canary: (name) => canaryOf(reports.find((report) => report.name === name)),
    onChange: deps.onChange,
  });

  const noteConditions = (state: MachineState): void => {
    if (conditions !== null && (conditions.thermal !== state.thermal || conditions.power !== state.power)) {
      learning.conditionsChanged();
    }
    conditions = state;
  };

  return {
    async look(signal) {
      const [description, listed, facts, state] = await Promise.all([
        engine.describe(signal),
        engine.models(signal),
        probe.machine(),
        probe.state(),
        learning.takeOver(),
      ]);
      const allowance = deps.allowance();
      const host = hostOf(description, facts, state, allowance);
      slots.resize(slotsOf(host.simulated, allowance));
      noteConditions(host.state);
      if (listed.kind === "listed") models = listed.models;
      const allowed = models.filter(({ name }) => allowsModel(allowance.models, name));
      const canServe = description.kind === "ready" && listed.kind === "listed";
      reports = allowed.map((model) => modelReport(model, host, slots.total, allowance, learning));
      return {
        machine: machineOf(description, host, deps.agentVersion),
        report: nodeReport(canServe ? reports : [], host, slots.total, allowance, health.unhealthy()),
        engineProblem: engineProblem(description, listed),
        notAllowed: models.filter((model) => !allowed.includes(model)).map(({ name }) => name),
        memory: memoryOf(canServe ? models : [], host, facts, probe.freeMemoryBytes(), allowance),
      };
    },
    observe(model, outcome) {
      health.ended(model, outcome);
      if (outcome.kind === "done") learning.observe(model, outcome);
    },
    async close() {
      await health.close();
      await learning.close();
    },
  };
}

/** The owner's cap within what the engine runs at once; without either, what Ollama runs by default. */
function slotsOf(simulated: SimulatedEngine | null, { slots, engineSlots }: NodeAllowance): number {
  const engineRuns = simulated?.slots ?? engineSlots;
  if (slots === null) return engineRuns ?? USUAL_SLOTS;
  return engineRuns === null ? slots : Math.min(slots, engineRuns);
}

/** The machine that the figures are about: the one that the agent runs on, or the one that is simulated on it. */
interface Host {
  readonly chip: string;
  readonly platform: string;
  readonly memoryBytes: number;
  readonly modelMemoryBytes: number;
  readonly row: MachineRow | null;
  readonly simulated: SimulatedEngine | null;
  readonly state: MachineState;
}

function hostOf(
  description: EngineDescription,
  facts: MachineFacts,
  state: MachineState,
  allowance: NodeAllowance,
): Host {
  const simulated = description.kind === "ready" ? description.simulated : null;
  if (simulated !== null) {
    const { chip, memoryBytes, profile } = simulated;
    return {
      chip,
      platform: facts.platform,
      memoryBytes,
      modelMemoryBytes: amountOf(allowance.memory, memoryBytes) ?? memoryBytes * MODEL_MEMORY_SHARE,
      row: findMachineProfile(profile) ?? matchMachine(chip, memoryBytes),
      simulated,
      state: CALM,
    };
  }
  const { chip, platform, memoryBytes, graphicsMemoryBytes } = facts;
  const row = matchMachine(chip, graphicsMemoryBytes ?? memoryBytes);
  const share = row?.modelMemoryShare ?? MODEL_MEMORY_SHARE;
  const forModels = graphicsMemoryBytes ?? memoryBytes;
  const modelMemoryBytes = amountOf(allowance.memory, forModels) ?? forModels * share;
  return { chip, platform, memoryBytes, modelMemoryBytes, row, simulated: null, state };
}

function amountOf(amount: MemoryAmount | null, ofBytes: number): number | null {
  if (amount === null) return null;
  return amount.kind === "bytes" ? amount.bytes : amount.share * ofBytes;
}

function memoryOf(
  models: readonly EngineModel[],
  host: Host,
  facts: MachineFacts,
  freeBytes: number,
  { freeMemory }: NodeAllowance,
): NodeMemory {
  const isElsewhere = host.simulated !== null || facts.graphicsMemoryBytes !== null;
  return {
    freeBytes: isElsewhere ? null : freeBytes,
    keepFreeBytes: amountOf(freeMemory, host.memoryBytes) ?? host.memoryBytes * FREE_MEMORY_SHARE,
    residents: models.flatMap(({ name, cloud, loaded }) =>
      cloud || loaded === null
        ? []
        : [{ name, bytes: loaded.residentBytes, keptUntilMs: loaded.keptUntilMs }],
    ),
  };
}

function machineOf(description: EngineDescription, host: Host, agentVersion: string): Machine {
  return {
    chip: host.chip,
    profile: host.row?.profile ?? null,
    platform: host.platform,
    memoryBytes: host.memoryBytes,
    simulated: host.simulated !== null,
    agentVersion,
    engine: description.kind === "ready" ? description.engine : "none",
  };
}

function nodeReport(
  models: readonly ModelReport[],
  host: Host,
  slots: number,
  allowance: NodeAllowance,
  unhealthy: NodeReport["unhealthy"],
): NodeReport {
  const { budget, hours, availability } = allowance;
  const servingSeconds = servingSecondsPerDay(hours);
  const autoPerDay = autoTokensPerDay(throughputOf(models, slots), servingSeconds, budget.share);
  return {
    models,
    slots,
    modelMemoryBytes: Math.round(host.modelMemoryBytes),
    interference: TIME_SLICED,
    ...host.state,
    tokensPerDay: limitTokens(budget.day, "day", autoPerDay),
    tokensPerMonth: limitTokens(budget.month, "month", autoPerDay),
    servingSecondsPerDay: servingSeconds,
    availability,
    draining: false,
    unhealthy,
  };
}

function modelReport(
  model: EngineModel,
  host: Host,
  slots: number,
  allowance: NodeAllowance,
  learning: CapacityLearning,
): ModelReport {
  const shape = shapeOf(model);
  const contextTokens = pinnedContextTokens(model, shape, {
    contextTokensMax: allowance.contextTokens ?? USUAL_CONTEXT_TOKENS,
    modelMemoryBytes: host.modelMemoryBytes,
    slots,
  });
  const prior = spedUp(priorCapacity(host.row ?? UNKNOWN_MACHINE, shape), host.simulated?.speedup ?? 1);
  return {
    name: model.name,
    digest: model.digest,
    capabilities: model.capabilities,
    contextTokens,
    parameterCount: model.shape.parameterCount,
    cloud: model.cloud,
    loaded: isLoadedWith(model, contextTokens, slots),
    residentBytes: residentBytesOf(model, shape, contextTokens, slots),
    capacity: learning.capacity(model, prior),
  };
}

/** A simulated machine's times, divided by how much faster than the modelled one it runs. */
function spedUp(prior: ModelCapacity, speedup: number): ModelCapacity {
  const scaled = (figure: Figure, factor: number): Figure => ({ ...figure, value: figure.value * factor });
  return {
    ...prior,
    fixedMsPerToken: scaled(prior.fixedMsPerToken, 1 / speedup),
    effectiveBytesPerSecond: scaled(prior.effectiveBytesPerSecond, speedup),
    prefillTokensPerSecond: scaled(prior.prefillTokensPerSecond, speedup),
    loadMs: scaled(prior.loadMs, 1 / speedup),
  };
}

function engineProblem(description: EngineDescription, listed: EngineModels): string | null {
  if (description.kind === "refused") return description.message;
  if (listed.kind !== "listed") return listed.message;
  if (listed.models.length > 0) return null;
  return `${description.engine} has no model, so this node serves nothing; fetch one here, such as: ollama pull llama3.2:3b`;
}

/** One token, or one vector: enough to know that the model generates. Never sent to a cloud. */
function canaryOf(report: ModelReport | undefined): GenerateRequest | null {
  if (report === undefined || report.cloud) return null;
  const { name: model, contextTokens } = report;
  if (report.capabilities.includes("completion")) {
    const messages = [{ role: "user" as const, content: "Hi" }];
    return { kind: "chat", model, contextTokens, messages, sampling: {}, maxOutputTokens: 1 };
  }
  return { kind: "embed", model, contextTokens, inputs: ["Hi"] };
}
