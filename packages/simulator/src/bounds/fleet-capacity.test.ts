import { describe, expect, test } from "vitest";
import { buildSimFleet, buildSimJob, buildSimNode } from "../testing/builders.ts";
import type { SimFleet, SimNode } from "../world/fleet.ts";
import { createMachine } from "../world/machine.ts";
import { fleetCapacity } from "./fleet-capacity.ts";
import type { FleetCapacity } from "./fleet-capacity.ts";
import { leastWorkS } from "./work.ts";

const fleet = buildSimFleet();
const TIERS = ["edge", "edge", "edge", "local-small", "local-small", "local-large"] as const;
/** Lengths and tiers in no order, the same every time. */
const jobs = Array.from({ length: 240 }, (_, index) => {
  const job = buildSimJob(index, {
    promptTokens: 200 + ((index * 7_919) % 1_800),
    outputTokens: 20 + ((index * 104_729) % 600),
  });
  const tier = TIERS[(index * 31) % TIERS.length] ?? "edge";
  return { ...job, spec: { ...job.spec, target: { kind: "tier" as const, tier } } };
});
const capacityOf = (nodes: SimFleet["nodes"], overS = 0): FleetCapacity =>
  fleetCapacity({ nodes }, jobs, overS);
const [studio, air, pi] = fleet.nodes;

describe("fleet capacity", () => {
  test("machines that are alike are one node of the bound, and come to as much as apart", () => {
    const pis = [0, 1, 2].map((index) => buildSimNode(index + 3, "raspberry-pi-5-8", ["llama3.2:3b"]));
    const together = capacityOf([...fleet.nodes, ...pis]);
    expect(together.nodes).toHaveLength(3);
    expect(together.groupOf).toEqual([0, 1, 2, 2, 2, 2]);
    const apart = capacityOf([
      ...fleet.nodes,
      ...pis.map((node, index) => ({ ...node, modelMemoryBytes: node.modelMemoryBytes + index + 1 })),
    ]);
    expect(apart.nodes).toHaveLength(6);
    expect(apart.jobsPerSecond).toBeCloseTo(together.jobsPerSecond, 6);
  });

  test("grows with every node, by what its time is worth at most", () => {
    for (const without of fleet.nodes) {
      const nodes = fleet.nodes.filter((node) => node !== without);
      if (!nodes.includes(studio ?? without)) continue;
      const less = capacityOf(nodes).jobsPerSecond;
      const all = capacityOf(fleet.nodes);
      const price = all.nodes[all.groupOf[without.index] ?? -1]?.jobsPerMachineSecond ?? 0;
      expect(less).toBeLessThan(all.jobsPerSecond);
      expect(all.jobsPerSecond - less).toBeGreaterThanOrEqual(price * (1 - 1e-9));
    }
  });

  test("says what part of the jobs is beyond the fleet", () => {
    const found = fleetCapacity({ nodes: [air, pi].flatMap((node) => node ?? []) }, jobs);
    const large = jobs.filter(
      ({ spec }) => spec.target.kind === "tier" && spec.target.tier === "local-large",
    );
    expect(found.unservableShare).toBeCloseTo(large.length / jobs.length, 9);
  });

  test("counts a node that is away half of the time as half a node", () => {
    const away = fleet.nodes.map((node) => ({ ...node, absences: [{ fromS: 500, untilS: 1_500 }] }));
    expect(capacityOf(away, 2_000).jobsPerSecond).toBeCloseTo(capacityOf(fleet.nodes).jobsPerSecond / 2, 9);
  });

  test("the price of a budget is what a little more of it brings", () => {
    const withBudget = (tokensPerDay: number): FleetCapacity =>
      capacityOf(fleet.nodes.map((node) => (node === studio ? { ...node, tokensPerDay } : node)));
    const usedTokensPerDay = (capacityOf(fleet.nodes).nodes[0]?.tokensPerSecond ?? 0) * 86_400;
    const before = withBudget(usedTokensPerDay / 2);
    const price = before.nodes[0]?.jobsPerToken ?? 0;
    const gained = withBudget(usedTokensPerDay * 0.501).jobsPerSecond - before.jobsPerSecond;
    expect(gained).toBeGreaterThan(0);
    expect(gained / ((usedTokensPerDay * 0.001) / 86_400) / price).toBeCloseTo(1, 2);
  });
});

/** One kind of job a tier. */
const KINDS = [
  { tier: "edge", promptTokens: 900, outputTokens: 150 },
  { tier: "local-small", promptTokens: 1_400, outputTokens: 220 },
  { tier: "local-large", promptTokens: 700, outputTokens: 90 },
] as const;
const kinds = KINDS.map(({ tier, ...lengths }, index) => {
  const job = buildSimJob(index, lengths);
  return { ...job, spec: { ...job.spec, target: { kind: "tier" as const, tier } } };
});

const HORIZON_S = 40_000;

/** Ends of jobs on a machine that is given one model after another, each with full slots, as long as the bound says. */
function servedBy(found: FleetCapacity, node: SimNode): number {
  let done = 0;
  const machine = createMachine(node);
  const flows = found.flows.filter((flow) => flow.node === node.name);
  let untilS = 0;
  for (const model of node.models) {
    const demand = kinds.map((job, index) => {
      const tier = KINDS[index]?.tier ?? "";
      const own = flows.filter((flow) => flow.model === model.name && flow.jobClass.startsWith(`${tier} `));
      return { job, jobsPerSecond: own.reduce((sum, flow) => sum + flow.jobsPerSecond, 0), started: 0 };
    });
    for (const { job, jobsPerSecond } of demand)
      untilS += HORIZON_S * jobsPerSecond * leastWorkS({ node, model }, job);
    const asked = demand.filter(({ jobsPerSecond }) => jobsPerSecond > 0);
    const fill = (): void => {
      while (asked.length > 0 && machine.running.length < node.slots) {
        asked.sort((one, other) => one.started / one.jobsPerSecond - other.started / other.jobsPerSecond);
        const [next] = asked;
        if (next === undefined) return;
        next.started += 1;
        machine.start(next.job, model.index);
      }
    };
    for (fill(); machine.nextChangeS() < untilS; fill())
      done += machine.advance(machine.nextChangeS()).length;
  }
  return done;
}

test("machines that are kept full reach what the bound says, and no more", () => {
  const mix = Array.from(
    { length: 100 },
    (_, index) => kinds[index < 55 ? 0 : index < 90 ? 1 : 2] ?? buildSimJob(0),
  );
  const found = fleetCapacity(fleet, mix);
  let done = 0;
  for (const node of fleet.nodes) done += servedBy(found, node);
  expect(done / HORIZON_S / found.jobsPerSecond).toBeGreaterThan(0.95);
  expect(done / HORIZON_S / found.jobsPerSecond).toBeLessThanOrEqual(1);
});
