import { holdTokens } from "@coop/core";
import type { DispatchEvent, JobSpec } from "@coop/core";
import { expect, test } from "vitest";
import { buildFleet, seedFleet } from "../fleets/fleet.ts";
import { buildSimJob, buildSimNode } from "../testing/builders.ts";
import { dress, schedule } from "../workload/jobs.ts";
import type { DressedJob } from "../workload/jobs.ts";
import { USUAL_MEMBERS } from "../workload/members.ts";
import { synthesise } from "../workload/synthetic.ts";
import { dispatcherPolicy } from "./dispatcher-policy.ts";
import type { PolicyMaker } from "./policy.ts";
import { runWorld, WORLD_START_MS } from "./world.ts";

const HOUR_S = 3_600;

/** Starts the oldest job while the budget lasts, by what the node last reported. */
function believing(reports: [atS: number, leftTokens: number][]): PolicyMaker {
  return {
    name: "believing",
    summary: "starts while the last report has tokens",
    hears: "all",
    create({ fleet }) {
      const waiting: JobSpec[] = [];
      let leftTokens = 0;
      const hear = (event: DispatchEvent): void => {
        if (event.kind === "job-pending") waiting.push(event.spec);
        if (event.kind !== "node-joined" && event.kind !== "node-reported") return;
        leftTokens = event.budget.dayLeftTokens ?? Infinity;
        reports.push([(fleet.nowMs() - WORLD_START_MS) / 1000, leftTokens]);
      };
      return {
        step(event) {
          hear(event);
          const [job] = waiting;
          const place = job === undefined ? undefined : fleet.placesFor(job)[0];
          if (job === undefined || place === undefined) return [];
          const holdTokens = job.promptTokensMax + job.maxOutputTokens;
          if (leftTokens < holdTokens || !fleet.canStart(job, place)) return [];
          waiting.shift();
          leftTokens -= holdTokens;
          return [{ job: job.id, node: place.node.id, model: place.model.name }];
        },
      };
    },
  };
}

test.for([0, 3, 7.5])(
  "a new day's budget is told within two minutes, though nothing ran for hours (%s s)",
  (offsetS) => {
    // A hold takes 3,048 tokens and a job uses 1,200: the day has room for two jobs, the others wait.
    const node = buildSimNode(0, "mac-studio-m4-max-128", ["llama3.2:3b"], { slots: 4, tokensPerDay: 5_000 });
    const jobs = Array.from({ length: 4 }, (_, index) =>
      buildSimJob(index, { arrivalS: 15 * HOUR_S + offsetS + index * 60 }),
    );
    const reports: [number, number][] = [];
    const policy = believing(reports);
    const run = runWorld({ fleet: { nodes: [node] }, jobs, policy, seed: 1, untilS: null });
    const nextDay = reports.find(([atS]) => atS >= 24 * HOUR_S);
    expect(nextDay?.[1]).toBe(5_000);
    expect(nextDay?.[0]).toBeLessThan(24 * HOUR_S + 120);
    expect([...run.startS].filter((atS) => atS >= 24 * HOUR_S)).toHaveLength(2);
    expect(run.nodes[0]?.usedTokens).toBe(4 * 1_200);
  },
);

/** Warming models up changes no budget, and takes most of the time of such a run. */
const withoutWishes: PolicyMaker = {
  ...dispatcherPolicy,
  create(world) {
    const { step } = dispatcherPolicy.create(world);
    return { step };
  },
};

const chat = (count: number, seed: number): readonly DressedJob[] =>
  dress(
    synthesise("chat", count, seed),
    { mix: [0.55, 0.35, 0.1], members: USUAL_MEMBERS, batchShare: 0 },
    seed,
  );

const meanOf = (jobs: readonly DressedJob[], of: (job: DressedJob) => number): number =>
  jobs.reduce((sum, job) => sum + of(job), 0) / jobs.length;

// More than 100 holds a day of this work are beyond what the small board can make.
test.for([
  { holds: 100, without: [], seed: 4 },
  { holds: 200, without: ["raspberry-pi"], seed: 2 },
])(
  "a budget of $holds mean holds under three times its demand is spent evenly by the hour, and never exceeded (seed $seed)",
  { timeout: 60_000 },
  ({ holds, without, seed }) => {
    const sample = chat(1_000, seed);
    const tokensPerDay = Math.round(holds * meanOf(sample, ({ spec }) => holdTokens(spec)));
    const wishes = seedFleet().map((wish) => ({ ...wish, tokensPerDay }));
    const fleet = buildFleet(wishes, { without, add: [] });
    const meanUse = meanOf(sample, ({ promptTokens, outputTokens }) => promptTokens + outputTokens);
    const count = Math.round((3 * fleet.nodes.length * tokensPerDay) / meanUse);
    const jobs = schedule(chat(count, seed), (24 * HOUR_S) / count);
    const { nodes } = runWorld({ fleet, jobs, policy: withoutWishes, seed, untilS: 24 * HOUR_S - 1 });
    for (const { name, usedTokens, tokensByHour } of nodes) {
      expect(usedTokens / tokensPerDay, name).toBeGreaterThan(0.98);
      expect(usedTokens, name).toBeLessThanOrEqual(tokensPerDay);
      // Tokens count when their attempt ends, as accounts take them.
      const hours = tokensByHour.slice(2).map((tokens) => tokens / (tokensPerDay / 24));
      expect(hours, name).toHaveLength(22);
      expect(Math.min(...hours), name).toBeGreaterThan(0.85);
      expect(Math.max(...hours), name).toBeLessThan(1.15);
    }
  },
);
