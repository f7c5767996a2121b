import { assert } from "@coop/core";
import type { PolicyMaker } from "../world/policy.ts";
import { createCentralQueue } from "./central-queue.ts";
import { fastest } from "./openings.ts";

/**
 * Each node runs a worker of its own on one shared queue, as job queues are commonly used: a worker with a free slot
 * takes the oldest job that it can serve. Which worker comes first is chance, one free slot as likely as another.
 * Within its node a job runs on the model that is fastest for it.
 */
export const randomPull: PolicyMaker = {
  name: "random-pull",
  summary: "each node pulls the oldest job it can serve from one queue; which node comes first is chance",
  hears: "jobs",
  create: ({ fleet, random }) =>
    createCentralQueue(fleet, {
      rankOf: () => 0,
      choose(job, open, openings) {
        const nodes = [...new Set(open.map(({ node }) => node))];
        const slots = nodes.flatMap((node) => {
          const places = open.filter((place) => place.node === node);
          const place = fastest(fleet, job, places);
          return place === null ? [] : Array.from({ length: openings.freeSlots(place) }, () => place);
        });
        const picked = slots[Math.floor(random.next() * slots.length)];
        assert(picked !== undefined, "something is open");
        return picked;
      },
    }),
};
