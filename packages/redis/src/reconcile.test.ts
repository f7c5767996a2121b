import { describe, expect, test } from "vitest";
import { demandOf, nextStep, stateAfter, type Demand, type QueueState, type Step } from "./reconcile.ts";

/** The steps until nothing is left to do. */
function journey(demand: Demand, from: QueueState): readonly Step[] {
  const steps: Step[] = [];
  for (let state = from; steps.length < 10;) {
    const step = nextStep(demand, state);
    if (step === "keep") return steps;
    steps.push(step);
    state = stateAfter(step, state);
  }
  throw new Error(`${demand} from ${from} never ends`);
}

describe("what is done where the hash demands, from each place in the queue", () => {
  test.for<[Demand, QueueState, Step[]]>([
    ["due", "absent", ["add"]],
    ["due", "waiting", []],
    ["due", "delayed", ["promote"]],
    ["due", "active", ["requeue"]],
    ["due", "completed", ["remove", "add"]],
    ["due", "failed", ["remove", "add"]],
    ["later", "absent", ["add-delayed"]],
    ["later", "waiting", []],
    ["later", "delayed", []],
    ["later", "active", ["postpone"]],
    ["later", "completed", ["remove", "add-delayed"]],
    ["later", "failed", ["remove", "add-delayed"]],
    ["live", "absent", ["add", "claim"]],
    ["live", "waiting", ["claim"]],
    ["live", "delayed", ["promote", "claim"]],
    ["live", "active", []],
    ["live", "completed", ["remove", "add", "claim"]],
    ["live", "failed", ["remove", "add", "claim"]],
    ["succeeded", "absent", []],
    ["succeeded", "waiting", ["claim", "complete"]],
    ["succeeded", "delayed", ["remove"]],
    ["succeeded", "active", ["complete"]],
    ["succeeded", "completed", []],
    ["succeeded", "failed", ["remove"]],
    ["unsuccessful", "absent", []],
    ["unsuccessful", "waiting", ["remove"]],
    ["unsuccessful", "delayed", ["remove"]],
    ["unsuccessful", "active", ["fail"]],
    ["unsuccessful", "completed", ["remove"]],
    ["unsuccessful", "failed", []],
    ["forgotten", "absent", []],
    ["forgotten", "waiting", ["remove"]],
    ["forgotten", "delayed", ["remove"]],
    ["forgotten", "active", ["fail", "remove"]],
    ["forgotten", "completed", ["remove"]],
    ["forgotten", "failed", ["remove"]],
  ])("%s from %s: %j", ([demand, from, steps]) => {
    expect(journey(demand, from)).toEqual(steps);
  });
});

describe("what a job demands", () => {
  test.for([
    [null, "forgotten"],
    [{ state: "queued", notBeforeMs: 100 }, "due"],
    [{ state: "queued", notBeforeMs: 101 }, "later"],
    [{ state: "leased", notBeforeMs: 200 }, "live"],
    [{ state: "running", notBeforeMs: 0 }, "live"],
    [{ state: "succeeded", notBeforeMs: 0 }, "succeeded"],
    [{ state: "failed", notBeforeMs: 0 }, "unsuccessful"],
    [{ state: "cancelled", notBeforeMs: 200 }, "unsuccessful"],
    [{ state: "expired", notBeforeMs: 0 }, "unsuccessful"],
  ] as const)("%o at 100: %s", ([job, demand]) => {
    expect(demandOf(job, 100)).toBe(demand);
  });
});
