import { z } from "zod";
import { outputOf } from "./samples.ts";
import { number } from "./table.ts";
import type { Row } from "./table.ts";

const pathSchema = z.object({ jobsPerSecond: z.number(), cpuUsPerJob: z.number() });
const resultSchema = z.object({
  bare: pathSchema,
  stepByStep: pathSchema,
  wholeLives: pathSchema,
  storeAlone: pathSchema,
});

/** The way of a job through Redis alone, and the floor that other lines are compared with. */
export async function redisPath(): Promise<{ readonly row: Row; readonly bareJobsPerSecond: number }> {
  const text = await outputOf("packages/redis/bench/mirror.ts", ["1000", "3", "--json"]);
  const { bare, stepByStep, wholeLives, storeAlone } = resultSchema.parse(JSON.parse(text));
  const share = stepByStep.jobsPerSecond / bare.jobsPerSecond;
  return {
    bareJobsPerSecond: bare.jobsPerSecond,
    row: {
      what: "Redis path alone",
      figures: {
        share,
        jobsPerSecond: stepByStep.jobsPerSecond,
        wholeLivesJobsPerSecond: wholeLives.jobsPerSecond,
        storeAloneJobsPerSecond: storeAlone.jobsPerSecond,
        bareJobsPerSecond: bare.jobsPerSecond,
        cpuUsPerJob: stepByStep.cpuUsPerJob,
        bareCpuUsPerJob: bare.cpuUsPerJob,
      },
      measured: `${number(stepByStep.jobsPerSecond)} jobs/s, ${number(share * 100)} % of bare`,
      bar: ">= 40 % of bare",
      aim: "70 %",
      meetsBar: share >= 0.4,
      floor: `bare BullMQ: ${number(bare.jobsPerSecond)} jobs/s`,
      includes:
        "One process and a Redis of its own that appends every write to disk (fsync always), over a unix socket, 50 at once. " +
        "Admit, add, lease, claim, finish and complete, with the mirror in BullMQ brought up to date after each step. " +
        "Bare: BullMQ's add, claim and complete of the same jobs.",
    },
  };
}
