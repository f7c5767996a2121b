import { expect, test } from "vitest";
import { dispatcherPolicy } from "../world/dispatcher-policy.ts";
import { metricsOf } from "../run/metrics.ts";
import { runWorld } from "../world/world.ts";
import { buildSimFleet, buildSimJob } from "../testing/builders.ts";
import { ADVERSARIES, ADVERSARY, besiege } from "./adversary.ts";

const honest = Array.from({ length: 20 }, (_, index) => buildSimJob(index, { arrivalS: index * 10 }));

test.each(ADVERSARIES)(
  "the adversary %s comes among the honest, whose jobs stay as they are",
  (adversary) => {
    const jobs = besiege(honest, adversary, 1);
    expect(jobs.map(({ index }) => index)).toEqual(jobs.map((_, index) => index));
    expect(jobs.map(({ arrivalS }) => arrivalS)).toEqual(
      jobs.map(({ arrivalS }) => arrivalS).toSorted((a, b) => a - b),
    );
    const kept = jobs.filter(({ spec }) => spec.member !== ADVERSARY);
    expect(kept.map(({ spec }) => spec)).toEqual(honest.map(({ spec }) => spec));
    expect(jobs.length).toBeGreaterThan(honest.length + 3);
    expect(besiege(honest, adversary, 1)).toEqual(jobs);
  },
);

test("what is cancelled ends at its cancel, frees its slot, and counts in no mean", () => {
  const jobs = besiege(honest, "cancel", 1);
  const run = runWorld({ fleet: buildSimFleet(), jobs, policy: dispatcherPolicy, seed: 1, untilS: null });
  expect([...run.endS].some(Number.isNaN)).toBe(false);
  expect(metricsOf(run).completed).toBe(honest.length);
});
