import { readFile } from "node:fs/promises";
import { OperationalError } from "@coop/core";
import { buildFleet, seedFleet } from "../fleets/fleet.ts";
import { parseFleet } from "../fleets/fleet-file.ts";
import { parseTrace } from "../traces/trace.ts";
import { dress } from "../workload/jobs.ts";
import type { DressedJob, Dressing } from "../workload/jobs.ts";
import { USUAL_MEMBERS } from "../workload/members.ts";
import type { Request } from "../workload/request.ts";
import { SKEWED_TOP_SHARE, synthesise } from "../workload/synthetic.ts";
import { windowOf } from "../workload/window.ts";
import type { SimFleet } from "../world/fleet.ts";
import type { PolicyMaker } from "../world/policy.ts";
import { conduct } from "./experiment.ts";
import type { Cell } from "./experiment.ts";
import { servableOf } from "./load.ts";
import { quantile } from "./metrics.ts";
import type { SimulateOptions } from "./options.ts";
import { POLICIES } from "./policies.ts";
import { conductSiege } from "./siege.ts";
import type { Siege, SiegeRow } from "./siege.ts";

export interface Simulation {
  readonly fleet: SimFleet;
  readonly cells: readonly Cell[];
}

type OnRun = (done: number, all: number, what: string) => void;

/** Reads what the options name and runs the experiment. @throws OperationalError for what cannot be read or used */
export async function simulate(options: SimulateOptions, onRun: OnRun): Promise<Simulation> {
  const setting = await settingFor(options);
  const untilS = options.hours === null ? null : options.hours * 3600;
  return { fleet: setting.fleet, cells: conduct({ ...setting, untilS }, onRun) };
}

/** The same under the adversaries that the options name. @throws OperationalError for what cannot be read or used */
export async function simulateSiege(options: SimulateOptions, onRun: OnRun): Promise<readonly SiegeRow[]> {
  const { adversaries } = options;
  return conductSiege({ ...(await settingFor(options)), adversaries }, onRun);
}

async function settingFor(options: SimulateOptions): Promise<Omit<Siege, "adversaries">> {
  const wishes =
    options.fleet === "seed" ? seedFleet() : parseFleet(await textOf(options.fleet), options.fleet);
  const requestsOf = await requestSource(options);
  const fleet = buildFleet(wishes, options, contextFor(requestsOf(1, options.jobs)));
  return {
    fleet,
    policies: chosenPolicies(options.policies),
    loads: options.loads,
    seeds: Array.from({ length: options.seeds }, (_, index) => index + 1),
    jobsOf: (seed, load) => jobsOf(options, fleet, requestsOf, seed, load),
  };
}

type RequestSource = (seed: number, count: number) => readonly Request[];

async function requestSource({ workload }: SimulateOptions): Promise<RequestSource> {
  if (workload.kind === "synthetic") return (seed, count) => synthesise(workload.of, count, seed);
  const trace = parseTrace(await textOf(workload.file), workload.file);
  return (seed, count) => windowOf(trace, count, seed);
}

function jobsOf(
  options: SimulateOptions,
  fleet: SimFleet,
  requestsOf: RequestSource,
  seed: number,
  load: number,
): readonly DressedJob[] {
  const isSkewed = options.workload.kind === "synthetic" && options.workload.of === "skewed";
  const dressing: Dressing = {
    mix: options.mix,
    members: {
      count: options.members,
      topShare: options.topShare ?? (isSkewed ? SKEWED_TOP_SHARE : USUAL_MEMBERS.topShare),
    },
    batchShare: options.batchShare,
  };
  const dressed = dress(requestsOf(seed, options.jobs), dressing, seed);
  if (options.hours === null) return dressed;
  const { servable, capacity } = servableOf(fleet, dressed);
  const rate = (load * capacity.jobsPerSecond * dressed.length) / Math.max(1, servable.length);
  const count = Math.max(2, Math.ceil(rate * options.hours * 3600));
  return dress(requestsOf(seed, count), dressing, seed);
}

/** Owners set the context for the work that their co-op has: for all but the longest hundredth of its requests. */
function contextFor(requests: readonly Request[]): number {
  const lengths = requests.map(({ promptTokens, outputTokens }) => promptTokens + outputTokens);
  lengths.sort((one, other) => one - other);
  return quantile(lengths, 0.99) * CONTEXT_MARGIN;
}

/** Prompts are estimated from their bytes, and outputs may be longer than they turn out. */
const CONTEXT_MARGIN = 1.5;

/** @throws OperationalError `unknown-policy` */
function chosenPolicies(names: readonly string[]): readonly PolicyMaker[] {
  if (names.length === 0) return POLICIES;
  return names.map((name) => {
    const policy = POLICIES.find((known) => known.name === name);
    if (policy !== undefined) return policy;
    const known = POLICIES.map((other) => other.name).join(", ");
    throw new OperationalError("unknown-policy", `There is no policy "${name}". There are: ${known}.`);
  });
}

async function textOf(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new OperationalError("unreadable-file", `${file} cannot be read: ${why}`, { cause });
  }
}
