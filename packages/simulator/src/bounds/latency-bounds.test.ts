import { createSeededRandom } from "@coop/core/testing";
import { describe, expect, test } from "vitest";
import { buildSimFleet, buildSimJob } from "../testing/builders.ts";
import { greedySjf } from "../policies/greedy-sjf.ts";
import { leastLoadedBySpeed } from "../policies/least-loaded-by-speed.ts";
import { metricsOf } from "../run/metrics.ts";
import type { SimFleet, SimNode } from "../world/fleet.ts";
import type { SimJob } from "../world/job.ts";
import { createMachine } from "../world/machine.ts";
import { bestUnloadedS } from "../world/unloaded.ts";
import { runWorld } from "../world/world.ts";
import { latencyBounds } from "./latency-bounds.ts";

const fleet = buildSimFleet();
const boundsOf = (jobs: readonly SimJob[], nodes: SimFleet = fleet) =>
  latencyBounds(
    nodes,
    jobs,
    jobs.map((job) => bestUnloadedS(job, nodes)),
  );

/** Jobs of all tiers, `gapS` apart. */
function workload(count: number, gapS: number, seed: number): SimJob[] {
  const random = createSeededRandom(seed);
  return Array.from({ length: count }, (_, index) => {
    const job = buildSimJob(index, {
      arrivalS: index * gapS,
      promptTokens: 50 + Math.floor(random.next() * 2_000),
      outputTokens: 1 + Math.floor(random.next() * 400),
    });
    const chance = random.next();
    const tier = chance < 0.6 ? "edge" : chance < 0.9 ? "local-small" : "local-large";
    return { ...job, spec: { ...job.spec, target: { kind: "tier" as const, tier } } };
  });
}

/** The same as turns of conversations, of whose prompts a cache may hold what was said before. */
function conversations(count: number, gapS: number): SimJob[] {
  const said = new Map<number, number>();
  return workload(count, gapS, 9).map((job) => {
    const conversation = job.index % 40;
    const saidTokens = said.get(conversation) ?? 0;
    said.set(conversation, Math.max(saidTokens, job.promptTokens + job.outputTokens));
    return {
      ...job,
      prefix: { kind: "conversation", conversation },
      sharedTokens: Math.min(saidTokens, job.promptTokens - 1),
    };
  });
}

/** Mean latency and slowdown when every job in turn starts on the free place where it would be fastest alone. */
function firstComeFirstServed(jobs: readonly SimJob[]): { latencyS: number; slowdown: number } {
  const machines = fleet.nodes.map(createMachine);
  const waiting = [...jobs];
  let latencyS = 0;
  let slowdown = 0;
  let nowS = 0;
  for (let ended = 0; ended < jobs.length;) {
    for (let first = waiting[0]; first !== undefined && first.arrivalS <= nowS; first = waiting[0]) {
      const place = freePlace(machines, first);
      if (place === null) break;
      place.machine.start(first, place.model);
      waiting.shift();
    }
    const arrivalS = waiting[0] !== undefined && waiting[0].arrivalS > nowS ? waiting[0].arrivalS : Infinity;
    nowS = Math.min(arrivalS, ...machines.map((machine) => machine.nextChangeS()));
    for (const machine of machines) {
      for (const { job } of machine.advance(nowS)) {
        ended += 1;
        latencyS += nowS - job.arrivalS;
        slowdown += (nowS - job.arrivalS) / bestUnloadedS(job, fleet);
      }
    }
  }
  return { latencyS: latencyS / jobs.length, slowdown: slowdown / jobs.length };
}

function freePlace(machines: readonly ReturnType<typeof createMachine>[], { spec }: SimJob) {
  const order = ["edge", "local-small", "local-large"];
  const asked = spec.target.kind === "tier" ? order.indexOf(spec.target.tier) : 0;
  for (const machine of machines) {
    if (machine.running.length >= machine.node.slots) continue;
    const model = machine.node.models.find(({ tier }) => order.indexOf(tier) >= asked);
    if (model !== undefined) return { machine, model: model.index };
  }
  return null;
}

describe("latency bounds", () => {
  test("of a job alone are its time on the best place", () => {
    const [job] = workload(1, 0, 1);
    if (job === undefined) throw new Error("broken invariant: one job");
    const { meanLatencyS, meanSlowdown } = boundsOf([job]);
    expect(meanLatencyS.from).toBe("unloaded");
    expect(meanLatencyS.least).toBeCloseTo(bestUnloadedS(job, fleet), 9);
    expect(meanSlowdown.least).toBeCloseTo(1, 9);
  });

  test("of many at once are those of one machine as fast as the fleet", () => {
    const { meanLatencyS, meanSlowdown } = boundsOf(workload(200, 0, 2));
    expect(meanLatencyS.from).toBe("pooled-fleet");
    expect(meanLatencyS.least).toBeGreaterThan(5 * meanLatencyS.unloaded);
    expect(meanSlowdown.least).toBeGreaterThan(2);
  });

  test("no node brings the bounds up", () => {
    const jobs = workload(150, 0.2, 3);
    const less = boundsOf(jobs, { nodes: fleet.nodes.slice(0, 1) });
    expect(boundsOf(jobs).meanLatencyS.least).toBeLessThan(less.meanLatencyS.least);
  });

  const worlds: readonly [what: string, change: (node: SimNode) => SimNode][] = [
    ["take turns", (node) => node],
    ["share one batch", (node) => ({ ...node, interference: 0.15 })],
    ["grow hot", (node) => ({ ...node, cooling: { lostWhenHot: 0.3, timeConstantS: 200 } })],
    ["have many slots", (node) => ({ ...node, slots: 8, modelMemoryBytes: 400e9 })],
  ];
  test.for(worlds)("are not beaten on machines that %s, by any policy", ([, change]) => {
    const changed = { nodes: fleet.nodes.map(change) };
    for (const gapS of [0.6, 3]) {
      const jobs = conversations(120, gapS);
      for (const policy of [greedySjf, leastLoadedBySpeed]) {
        const run = runWorld({ fleet: changed, jobs, policy, seed: 1, untilS: null });
        const { meanLatencyS, meanSlowdown } = metricsOf(run);
        const bounds = latencyBounds(changed, jobs, run.bestS);
        expect(meanLatencyS).toBeGreaterThanOrEqual(bounds.meanLatencyS.least);
        expect(meanSlowdown).toBeGreaterThanOrEqual(bounds.meanSlowdown.least);
      }
    }
  });

  test.for([0, 0.5, 2, 10])("are not beaten when jobs come %s s apart", (gapS) => {
    for (const seed of [1, 2, 3]) {
      const jobs = workload(120, gapS, seed);
      const reached = firstComeFirstServed(jobs);
      const { meanLatencyS, meanSlowdown } = boundsOf(jobs);
      expect(reached.latencyS).toBeGreaterThanOrEqual(meanLatencyS.least);
      expect(reached.slowdown).toBeGreaterThanOrEqual(meanSlowdown.least);
    }
  });
});
