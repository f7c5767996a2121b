import type { SimFleet, SimNode } from "./fleet.ts";
import type { SimJob } from "./job.ts";
import type { NodeRun } from "./run.ts";
import { bestUnloadedS } from "./unloaded.ts";

/** What became of each job, by its index. */
export interface JobRecords {
  readonly startS: Float64Array;
  readonly firstTokenS: Float64Array;
  readonly endS: Float64Array;
  readonly node: Int32Array;
  readonly model: Int32Array;
  readonly bestS: Float64Array;
}

export const createJobRecords = (jobs: readonly SimJob[], fleet: SimFleet): JobRecords => ({
  startS: new Float64Array(jobs.length).fill(Number.NaN),
  firstTokenS: new Float64Array(jobs.length).fill(Number.NaN),
  endS: new Float64Array(jobs.length).fill(Number.NaN),
  node: new Int32Array(jobs.length).fill(-1),
  model: new Int32Array(jobs.length).fill(-1),
  bestS: Float64Array.from(jobs, (job) => bestUnloadedS(job, fleet)),
});

/** What one node did, over time. */
export interface NodeRecord {
  readonly began: (nowS: number) => void;
  readonly idle: (nowS: number) => void;
  readonly joined: (nowS: number) => void;
  readonly left: (nowS: number) => void;
  readonly used: (tokens: number, nowS: number) => void;
  readonly result: (endedAtS: number) => NodeRun;
}

const HOUR_S = 3600;

export function createNodeRecord({ name }: Pick<SimNode, "name">, bucketS: number): NodeRecord {
  const busyByBucketS: number[] = [];
  const tokensByBucket: number[] = [];
  const tokensByHour: number[] = [];
  let busyS = 0;
  let presentS = 0;
  let usedTokens = 0;
  let busySinceS = Number.NaN;
  let presentSinceS = Number.NaN;

  const addBusy = (fromS: number, untilS: number): void => {
    busyS += untilS - fromS;
    for (let bucket = Math.floor(fromS / bucketS); bucket * bucketS < untilS; bucket += 1) {
      const overlapS = Math.min(untilS, (bucket + 1) * bucketS) - Math.max(fromS, bucket * bucketS);
      add(busyByBucketS, bucket, overlapS);
    }
  };
  const idle = (nowS: number): void => {
    if (!Number.isNaN(busySinceS)) addBusy(busySinceS, nowS);
    busySinceS = Number.NaN;
  };
  const left = (nowS: number): void => {
    idle(nowS);
    if (!Number.isNaN(presentSinceS)) presentS += nowS - presentSinceS;
    presentSinceS = Number.NaN;
  };

  return {
    began(nowS) {
      if (Number.isNaN(busySinceS)) busySinceS = nowS;
    },
    idle,
    joined(nowS) {
      presentSinceS = nowS;
    },
    left,
    used(tokens, nowS) {
      usedTokens += tokens;
      add(tokensByBucket, Math.floor(nowS / bucketS), tokens);
      add(tokensByHour, Math.floor(nowS / HOUR_S), tokens);
    },
    result(endedAtS) {
      left(endedAtS);
      return { name, busyS, presentS, bucketS, busyByBucketS, tokensByBucket, tokensByHour, usedTokens };
    },
  };
}

/** Adds to a bucket; those before it that were never touched count 0. */
function add(buckets: number[], bucket: number, value: number): void {
  while (buckets.length <= bucket) buckets.push(0);
  buckets[bucket] = (buckets[bucket] ?? 0) + value;
}
