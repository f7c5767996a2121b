import type { SimFleet, SimNode } from "../world/fleet.ts";
import { atSpeed } from "../fleets/build-node.ts";
import type { SimJob } from "../world/job.ts";
import type { PolicyMaker } from "../world/policy.ts";
import type { WorldRun } from "../world/run.ts";
import { runWorld } from "../world/world.ts";
import { ADVERSARY, besiege } from "../workload/adversary.ts";
import type { Adversary } from "../workload/adversary.ts";
import type { DressedJob } from "../workload/jobs.ts";
import { atLoad } from "./load.ts";
import { mean, spread } from "./metrics.ts";

/**
 * What one adversary costs the honest: their slowdown beside it, against their slowdown alone on machines slowed down to
 * the honest members' fair share of the fleet. Slowdowns are against the whole fleet's least times in both.
 */
export interface SiegeRow {
  readonly policy: string;
  readonly load: number;
  readonly adversary: Adversary;
  /** Mean slowdown of the honest members' jobs, beside the adversary. */
  readonly slowdown: number;
  /** The same without it, on their fair share of the fleet. */
  readonly fairSlowdown: number;
  /** How far the one is above the other, as a share, with its standard deviation over the seeds. */
  readonly rise: number;
  readonly riseSpread: number;
  /** The largest rise of any one honest member, mean over the seeds. */
  readonly mostRise: number;
}

export interface Siege {
  readonly fleet: SimFleet;
  readonly policies: readonly PolicyMaker[];
  readonly loads: readonly number[];
  readonly seeds: readonly number[];
  readonly adversaries: readonly Adversary[];
  readonly jobsOf: (seed: number, load: number) => readonly DressedJob[];
}

/** @param onRun is told before each run how many are done, of how many. */
export function conductSiege(
  { fleet, policies, loads, seeds, adversaries, jobsOf }: Siege,
  onRun: (done: number, all: number, what: string) => void,
): readonly SiegeRow[] {
  const all = policies.length * loads.length * (adversaries.length + 1) * seeds.length;
  let done = 0;
  const tell = (what: string): void => {
    onRun(done, all, what);
    done += 1;
  };
  return loads.flatMap((load) =>
    policies.flatMap((policy) => {
      const alone = seeds.map((seed) => {
        tell(`${policy.name} alone at load ${load}`);
        return onFairShare(fleet, policy, atLoad(fleet, jobsOf(seed, load), load).jobs, seed);
      });
      return adversaries.map((adversary): SiegeRow => {
        const pairs = alone.map((one) => {
          tell(`${policy.name} under ${adversary} at load ${load}`);
          return besieged(fleet, policy, one, adversary);
        });
        const rises = pairs.map(({ slowdown, fairSlowdown }) => slowdown / fairSlowdown - 1);
        return {
          policy: policy.name,
          load,
          adversary,
          slowdown: mean(pairs.map(({ slowdown }) => slowdown)),
          fairSlowdown: mean(pairs.map(({ fairSlowdown }) => fairSlowdown)),
          rise: mean(rises),
          riseSpread: spread(rises),
          mostRise: mean(pairs.map(({ mostRise }) => mostRise)),
        };
      });
    }),
  );
}

/** How much longer than the honest alone take a run beside an adversary goes on, whose own work may be endless. */
const PATIENCE = 1.5;

/** The honest alone, on machines slowed down to their fair share. */
interface Alone {
  readonly seed: number;
  readonly honest: readonly SimJob[];
  readonly run: WorldRun;
}

function onFairShare(fleet: SimFleet, policy: PolicyMaker, honest: readonly SimJob[], seed: number): Alone {
  const members = new Set(honest.map(({ spec }) => spec.member)).size;
  const share: SimFleet = { nodes: fleet.nodes.map((node) => slowed(node, members / (members + 1))) };
  return { seed, honest, run: runWorld({ fleet: share, jobs: honest, policy, seed, untilS: null }) };
}

function besieged(
  fleet: SimFleet,
  policy: PolicyMaker,
  { seed, honest, run: alone }: Alone,
  adversary: Adversary,
): { readonly slowdown: number; readonly fairSlowdown: number; readonly mostRise: number } {
  const jobs = besiege(honest, adversary, seed);
  const untilS = PATIENCE * alone.endedAtS;
  const beside = runWorld({ fleet, jobs, policy, seed, untilS });
  const leastS = new Map<string, number>(
    beside.jobs.map(({ spec, index }) => [spec.id, beside.bestS[index] ?? Number.NaN]),
  );
  const [withIt, without] = [slowdowns(beside, leastS), slowdowns(alone, leastS)];
  const rises = Array.from(
    withIt.byMember,
    ([member, ofMember]) => mean(ofMember) / mean(without.byMember.get(member) ?? []) - 1,
  );
  return { slowdown: mean(withIt.all), fairSlowdown: mean(without.all), mostRise: Math.max(...rises) };
}

function slowdowns(
  run: WorldRun,
  leastS: ReadonlyMap<string, number>,
): { readonly all: readonly number[]; readonly byMember: ReadonlyMap<string, readonly number[]> } {
  const all: number[] = [];
  const byMember = new Map<string, number[]>();
  for (const { index, spec, arrivalS } of run.jobs) {
    const slowdown = (endedS(run, index) - arrivalS) / (leastS.get(spec.id) ?? Number.NaN);
    if (spec.member === ADVERSARY || Number.isNaN(slowdown)) continue;
    all.push(slowdown);
    const ofMember = byMember.get(spec.member) ?? [];
    byMember.set(spec.member, ofMember);
    ofMember.push(slowdown);
  }
  return { all, byMember };
}

/** What has not ended counts as ended with the run. */
function endedS({ endS, endedAtS }: WorldRun, index: number): number {
  const atS = endS[index] ?? Number.NaN;
  return Number.isNaN(atS) ? endedAtS : atS;
}

const slowed = (node: SimNode, speed: number): SimNode => ({
  ...node,
  models: node.models.map((model) => ({
    ...model,
    capacity: atSpeed(model.capacity, speed),
    prior: atSpeed(model.prior, speed),
  })),
});

/** For people: a line a cell. */
export function siegeTable(rows: readonly SiegeRow[]): string {
  return rows
    .map(
      ({ policy, load, adversary, slowdown, fairSlowdown, rise, riseSpread, mostRise }) =>
        `load ${load}  ${policy}  ${adversary.padEnd(6)}  honest slowdown ${slowdown.toFixed(2)}, on their fair share ` +
        `${fairSlowdown.toFixed(2)}: ${percent(rise)} ±${(riseSpread * 100).toFixed(1)}, a member at most ${percent(mostRise)}\n`,
    )
    .join("");
}

const percent = (share: number): string => `${share > 0 ? "+" : ""}${(share * 100).toFixed(1)} %`;
