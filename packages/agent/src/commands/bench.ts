import { decodeTokensPerSecond, modelAnswersTo, OperationalError } from "@coop/core";
import type { ModelReport } from "@coop/core";
import { createCapacityFile } from "../capacity-store.ts";
import type { CapacityStore, KnownCapacities } from "../capacity-store.ts";
import { measure } from "../measure.ts";
import { marked, rate, seconds, table } from "./format.ts";
import { LOOK_MS, runningAgent, standBy } from "./one-look.ts";
import type { CommandDeps } from "./one-look.ts";

export interface BenchOptions {
  /** Null: every model that generates here and fits. */
  readonly model: string | null;
  readonly json: boolean;
  /** What is measured at the moment, for whoever waits. */
  readonly progress: (line: string) => void;
  readonly signal: AbortSignal;
}

const HEADINGS = ["MODEL", "TOKENS/S", "PROMPT/S", "EACH MORE AT ONCE", "LOAD"] as const;

/**
 * Measures models on the engine and hands the figures to the agent, which reports them at once when it runs
 * and when it starts otherwise.
 * @throws OperationalError `no-engine`, `model-missing`, `agent-busy`, `not-measured`
 */
export async function bench(deps: CommandDeps, options: BenchOptions): Promise<void> {
  const { config, log, say } = deps;
  await assertAtRest(deps);
  const store = createCapacityFile({ home: config.home, log });
  const measured: ModelReport[] = [];
  for (const name of await namesOf(deps, options.model))
    measured.push(await benchOne(deps, options, store, name));
  if (options.json) {
    say(JSON.stringify({ models: measured.map(({ name, capacity }) => ({ name, capacity })) }, null, 2));
    return;
  }
  for (const line of table(HEADINGS, measured.map(rowOf), new Set(HEADINGS.slice(1)))) say(line);
  if (measured.some((model) => rowOf(model).some((cell) => cell.startsWith("~")))) {
    say("~ estimated: too few samples, or the engine runs one generation at a time.");
  }
  const agent = await runningAgent(deps);
  say(agent === null ? "Kept for the agent's next start." : `${agent.name} reports it from now on.`);
}

async function namesOf(deps: CommandDeps, model: string | null): Promise<readonly string[]> {
  await using bystander = await standBy(deps);
  const { report, engineProblem } = await bystander.reporter.look(AbortSignal.timeout(LOOK_MS));
  if (engineProblem !== null && report.models.length === 0)
    throw new OperationalError("no-engine", engineProblem);
  const wanted = report.models.filter(({ name }) => model === null || modelAnswersTo(name, model));
  const able = wanted.filter(
    ({ cloud, capabilities, residentBytes }) =>
      !cloud && capabilities.includes("completion") && residentBytes <= report.modelMemoryBytes,
  );
  if (able.length > 0) return able.map(({ name }) => name);
  const [known] = wanted;
  throw new OperationalError(
    "model-missing",
    known === undefined
      ? `This machine has no model ${model === null ? "to measure" : `"${model}"`}; \`ollama list\` shows what is installed.`
      : `${known.name} cannot be measured: it does not generate text here, is a cloud's, or is too large.`,
  );
}

async function benchOne(
  deps: CommandDeps,
  { progress, signal }: BenchOptions,
  store: CapacityStore,
  name: string,
): Promise<ModelReport> {
  let measured: KnownCapacities = new Map();
  const anew: CapacityStore = {
    // What was learned before does not weigh in: the figures are to be today's.
    read: async () => withoutModel(await store.read(), name),
    write: async (known) => {
      measured = onlyModel(known, name);
    },
    handOver: () => Promise.resolve(),
    takeOver: () => Promise.resolve(new Map()),
  };
  const report = await measureOne(deps, anew, name, progress, signal);
  // A job that came in between shared the machine, and the figures would be of both.
  await assertAtRest(deps);
  await store.handOver(measured);
  return report;
}

async function measureOne(
  deps: CommandDeps,
  store: CapacityStore,
  name: string,
  progress: (line: string) => void,
  signal: AbortSignal,
): Promise<ModelReport> {
  await using bystander = await standBy(deps, store);
  const { engine, reporter, slots } = bystander;
  const look = async (): Promise<ModelReport> => {
    const { report } = await reporter.look(AbortSignal.timeout(LOOK_MS));
    const model = report.models.find((known) => known.name === name);
    if (model === undefined) throw new OperationalError("model-missing", `${name} is gone from the engine.`);
    return model;
  };
  const model = await look();
  const work = {
    engine,
    signal,
    timing: deps.timing,
    observe: reporter.observe,
    progress: (step: string) => progress(`${name}: ${step}`),
  };
  await measure(work, model, slots.total);
  return await look();
}

const onlyModel = (known: KnownCapacities, name: string): KnownCapacities =>
  new Map([...known].filter(([model]) => model === name));

const withoutModel = (known: KnownCapacities, name: string): KnownCapacities =>
  new Map([...known].filter(([model]) => model !== name));

async function assertAtRest(deps: CommandDeps): Promise<void> {
  const running = (await runningAgent(deps))?.running.length ?? 0;
  if (running === 0) return;
  const jobs = running === 1 ? "a job" : `${running} jobs`;
  throw new OperationalError(
    "agent-busy",
    `The agent runs ${jobs} now, which would skew the figures. Try again when it rests; \`agent status\` tells.`,
  );
}

function rowOf({ name, capacity }: ModelReport): readonly string[] {
  const { fixedMsPerToken, effectiveBytesPerSecond, prefillTokensPerSecond, batchFactor, loadMs } = capacity;
  return [
    name,
    marked(rate(decodeTokensPerSecond(capacity, 0, 1)), fixedMsPerToken, effectiveBytesPerSecond),
    marked(rate(prefillTokensPerSecond.value), prefillTokensPerSecond),
    marked(`+${Math.round(batchFactor.value * 100)} % a token`, batchFactor),
    marked(seconds(loadMs.value), loadMs),
  ];
}
