import { expect, test } from "vitest";
import { buildSimJob, buildSimNode } from "../testing/builders.ts";
import { dispatcherPolicy } from "./dispatcher-policy.ts";
import { runWorld } from "./world.ts";

const HOUR_S = 3_600;

test("a new day's budget is heard of soon after midnight, though nothing ran for hours", () => {
  // A hold takes 3,048 tokens and a job uses 1,200: the day has room for two jobs, the rest wait.
  const node = buildSimNode(0, "mac-studio-m4-max-128", ["llama3.2:3b"], { slots: 4, tokensPerDay: 5_000 });
  for (const offsetS of [0, 3, 7.5]) {
    const jobs = Array.from({ length: 4 }, (_, index) =>
      buildSimJob(index, { arrivalS: 15 * HOUR_S + offsetS + index * 60 }),
    );
    const run = runWorld({ fleet: { nodes: [node] }, jobs, policy: dispatcherPolicy, seed: 1, untilS: null });
    const afterMidnightS = [...run.startS].map((atS) => atS - 24 * HOUR_S).filter((atS) => atS >= 0);
    expect(afterMidnightS.length).toBeGreaterThan(0);
    for (const atS of run.endS) expect(atS).toBeGreaterThan(0);
    expect(Math.min(...afterMidnightS)).toBeLessThan(120);
  }
});
