import { createSeededRandom } from "@coop/core/testing";
import { describe, expect, test } from "vitest";
import { buildSimFleet, buildSimJob } from "../testing/builders.ts";
import type { SimFleet } from "../world/fleet.ts";
import type { SimJob } from "../world/job.ts";
import { createMachine } from "../world/machine.ts";
import { bestUnloadedS } from "../world/unloaded.ts";
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
