import { describe, expect, test } from "vitest";
import { buildJobSpec } from "../testing/builders.ts";
import { buildPlanModel, buildPlanNode, buildRunning } from "../testing/plan-builders.ts";
import type { Candidate, PlacementOption } from "./candidate.ts";
import { createListPass } from "./choose.ts";
import type { PlanNode } from "./plan.ts";

const option = (node: number, decodeS: number, model = 0): PlacementOption => ({
  node,
  model,
  prefillS: 0,
  decodeS,
});

function candidate(options: readonly PlacementOption[], changes: Partial<Candidate> = {}): Candidate {
  const bestS = Math.min(...options.map(({ prefillS, decodeS }) => prefillS + decodeS));
  return { spec: buildJobSpec(), kind: "edge", weight: 1, tokens: 700, bestS, options, ...changes };
}

/** A pass over nodes; of a kind's jobs, `shares[node]` went to each node lately. */
function passOver(nodes: readonly PlanNode[], shares: readonly number[] = []) {
  return createListPass({
    planOf: (node) => nodes[node] ?? buildPlanNode(),
    sharesOf: () => ({ of: (node) => shares[node] ?? 0 }),
    waitingOf: () => 1,
  });
}

const anywhere = () => true;
const idle = buildPlanNode({ slots: 1 });
const busy = (decodeS: number) => buildPlanNode({ slots: 1, running: [buildRunning({ decodeS })] });

describe("the list pass", () => {
  test("takes the cheapest node that is free", () => {
    const choice = passOver([idle, idle]).choose(candidate([option(0, 9), option(1, 4)]), anywhere);
    expect(choice).toMatchObject({ option: { node: 1 }, cost: { startsNow: true } });
  });

  test("holds for a busy node that would be done sooner", () => {
    const choice = passOver([idle, busy(3)]).choose(candidate([option(0, 20), option(1, 4)]), anywhere);
    expect(choice).toMatchObject({
      option: { node: 1 },
      cost: { startsNow: false, terms: { waitS: 3.75, totalS: 7.75 } },
    });
  });

  test("a job behind sees the node taken, and goes elsewhere when the wait is long enough", () => {
    const pass = passOver([idle, idle]);
    const job = candidate([option(0, 10), option(1, 4)]);
    const nodes: number[] = [];
    for (let turn = 0; turn < 3; turn += 1) {
      const choice = pass.choose(job, anywhere);
      if (choice === null) break;
      nodes.push(choice.option.node);
      pass.take(job, choice);
    }
    expect(nodes).toEqual([1, 1, 0]);
    expect(pass.canStartMore()).toBe(false);
  });

  test("what was reserved does not start now, though the node is free", () => {
    const other = buildPlanNode({ slots: 2, running: [buildRunning({ model: 1, decodeS: 5 })] });
    const pass = passOver([other]);
    const waits = candidate([option(0, 4)]);
    pass.begin([waits, waits]);
    const choice = pass.choose(waits, anywhere);
    expect(choice?.cost).toMatchObject({ kind: "switch", startsNow: false });
    if (choice !== null) pass.take(waits, choice);
    expect(pass.canStartMore()).toBe(false);
    expect(pass.choose(waits, anywhere)?.cost.startsNow).toBe(false);
  });

  test("leaves a node to those who need it: its time costs what they wait", () => {
    const jobs = Array.from({ length: 5 }, () => candidate([option(0, 6), option(1, 5)]));
    const [first] = jobs;
    const chosenWith = (behind: readonly Candidate[]) => {
      const pass = passOver([idle, idle], [0.1, 0.9]);
      pass.begin(behind);
      if (first !== undefined) pass.turn(first);
      return first === undefined ? null : pass.choose(first, anywhere)?.option.node;
    };
    expect(chosenWith(jobs.slice(0, 1))).toBe(1);
    expect(chosenWith(jobs)).toBe(0);
  });

  test("uses only what it may", () => {
    const job = candidate([option(0, 9), option(1, 4)]);
    expect(passOver([idle, idle]).choose(job, (node) => node === 0)?.option.node).toBe(0);
    expect(passOver([idle, idle]).choose(job, () => false)).toBeNull();
  });
});

describe("the order", () => {
  const keyOn = (nodes: readonly PlanNode[], job: Candidate) => passOver(nodes).key(job);

  test("small work first", () => {
    expect(keyOn([idle], candidate([option(0, 2)]))).toBeLessThan(keyOn([idle], candidate([option(0, 5)])));
  });

  test("batch work last", () => {
    const options = [option(0, 5)];
    expect(keyOn([idle], candidate(options))).toBeLessThan(
      keyOn([idle], candidate(options, { weight: 0.1 })),
    );
  });

  test("work that shares a running batch is small", () => {
    const batch = buildPlanNode({ running: [buildRunning({ decodeS: 10 })] });
    expect(keyOn([batch], candidate([option(0, 5)]))).toBeCloseTo(0.2 * 5 * 5 ** -0.3);
  });

  test("a second of a slow node counts for little", () => {
    const slow = buildPlanNode({ slots: 1, models: [buildPlanModel({ speed: 0.05 })] });
    const job = candidate([option(0, 40), option(1, 4)]);
    expect(keyOn([slow, busy(9)], job)).toBeCloseTo(40 * 0.05 * 4 ** -0.3);
  });

  test("a job that could start nowhere stands by its best time", () => {
    expect(keyOn([busy(9)], candidate([option(0, 4)]))).toBeCloseTo(4 * 4 ** -0.3);
  });
});
