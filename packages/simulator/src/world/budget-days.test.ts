import type { DispatchEvent, JobSpec } from "@coop/core";
import { expect, test } from "vitest";
import { buildSimJob, buildSimNode } from "../testing/builders.ts";
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
