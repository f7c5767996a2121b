import { assert } from "@coop/core";
import type { PolicyMaker } from "../world/policy.ts";
import { createCentralQueue } from "./central-queue.ts";
import { fastest } from "./openings.ts";

/**
 * First come, first served, each on the place that serves it fastest of those that are open: greedy list scheduling
 * on unrelated machines. It knows every speed and never leaves a slot idle that a waiting job could use.
 */
export const greedyFifo: PolicyMaker = {
  name: "greedy-fifo",
  summary: "the oldest job first, each on the fastest place that is free",
  hears: "jobs",
  create: ({ fleet }) =>
    createCentralQueue(fleet, {
      rankOf: () => 0,
      choose(job, open) {
        const place = fastest(fleet, job, open);
        assert(place !== null, "something is open");
        return place;
      },
    }),
};
