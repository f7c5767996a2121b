import { createDispatcher } from "@coop/core";
import type { PolicyMaker } from "./policy.ts";

/** The production dispatcher, as the scheduler runs it. */
export const dispatcherPolicy: PolicyMaker = {
  name: "ours",
  summary: "priced list matching: each job goes where it costs all jobs least, or waits for that place",
  hears: "all",
  create({ fleet }) {
    const dispatcher = createDispatcher({ clock: { now: fleet.nowMs } });
    return {
      step: (event) => dispatcher.step(event).map(({ spec, node, model }) => ({ job: spec.id, node, model })),
      wishes: dispatcher.wishes,
    };
  },
};
