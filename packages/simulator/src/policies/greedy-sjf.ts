import { assert } from "@coop/core";
import type { PolicyMaker } from "../world/policy.ts";
import { createCentralQueue } from "./central-queue.ts";
import { fastest } from "./openings.ts";

/**
 * Shortest expected job first, each on the place that serves it fastest of those that are open. A job's length is
 * its expected time on the best place that may serve it, by the output length that is usual for its member, model
 * and endpoint when it arrives. Large jobs may starve while smaller ones keep coming: that is the rule's price.
 */
export const greedySjf: PolicyMaker = {
  name: "greedy-sjf",
  summary: "the job of least expected time first, each on the fastest place that is free",
  hears: "jobs",
  create: ({ fleet }) =>
    createCentralQueue(fleet, {
      rankOf: (job) => Math.min(...fleet.placesFor(job).map((place) => fleet.aloneS(job, place))),
      choose(job, open) {
        const place = fastest(fleet, job, open);
        assert(place !== null, "something is open");
        return place;
      },
    }),
};
