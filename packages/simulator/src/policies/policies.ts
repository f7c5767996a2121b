import type { PolicyMaker } from "../world/policy.ts";
import { greedyFifo } from "./greedy-fifo.ts";
import { greedySjf } from "./greedy-sjf.ts";
import { leastLoadedBySpeed } from "./least-loaded-by-speed.ts";
import { leastLoaded } from "./least-loaded.ts";
import { powerOfTwo } from "./power-of-two.ts";
import { prequal } from "./prequal.ts";
import { queueScore } from "./queue-score.ts";
import { randomPull } from "./random-pull.ts";
import { roundRobin } from "./round-robin.ts";

/** What other systems do, to be compared with the production dispatcher; plain ones first. */
export const comparedPolicies: readonly PolicyMaker[] = [
  randomPull,
  roundRobin,
  leastLoaded,
  leastLoadedBySpeed,
  powerOfTwo,
  prequal,
  queueScore,
  greedyFifo,
  greedySjf,
];
