import { assert } from "@coop/core";
import type { JobId, JobSpec } from "@coop/core";
import type { FleetView, Place, Policy } from "../world/policy.ts";
import { createOpenings } from "./openings.ts";
import type { Openings } from "./openings.ts";

/**
 * One queue for all nodes. Whenever something is open, the first job in the order that can start does, wherever
 * `choose` says; a job that nothing is open for is passed over. Nothing ever waits for a better place.
 */
export interface CentralQueueRule {
  /** Where a job stands, small first; settled when it arrives. Equal ones keep their order of arrival. */
  readonly rankOf: (job: JobSpec) => number;
  /** @param open at least one place. */
  readonly choose: (job: JobSpec, open: readonly Place[], openings: Openings) => Place;
}

interface Waiting {
  readonly job: JobSpec;
  readonly rank: number;
  readonly arrival: number;
}

export function createCentralQueue(fleet: FleetView, { rankOf, choose }: CentralQueueRule): Policy {
  const openings = createOpenings(fleet);
  /** Jobs that ask for the same things, in their order. */
  const kinds = new Map<string, Waiting[]>();
  const kindOf = new Map<JobId, string>();
  let arrivals = 0;

  const add = (job: JobSpec): void => {
    if (kindOf.has(job.id)) return;
    arrivals += 1;
    const entry = { job, rank: rankOf(job), arrival: arrivals };
    const kind = kindKey(job);
    const queue = kinds.get(kind) ?? [];
    kinds.set(kind, queue);
    kindOf.set(job.id, kind);
    queue.splice(placeIn(queue, entry), 0, entry);
  };
  const remove = (job: JobId): void => {
    const queue = kinds.get(kindOf.get(job) ?? "") ?? [];
    const index = queue.findIndex((waiting) => waiting.job.id === job);
    if (index >= 0) queue.splice(index, 1);
    kindOf.delete(job);
  };

  /** The first of a kind that has a place, and its places. A kind without a free slot is not looked through. */
  const firstOf = (
    queue: readonly Waiting[],
  ): { readonly waiting: Waiting; readonly open: readonly Place[] } | null => {
    const [first] = queue;
    if (first === undefined) return null;
    if (!fleet.placesFor(shortest(first.job)).some((place) => openings.freeSlots(place) > 0)) return null;
    for (const waiting of queue) {
      const open = fleet.placesFor(waiting.job).filter((place) => openings.isOpen(waiting.job, place));
      if (open.length > 0) return { waiting, open };
    }
    return null;
  };

  const startOne = (): boolean => {
    let next: { readonly waiting: Waiting; readonly open: readonly Place[] } | null = null;
    for (const queue of kinds.values()) {
      const found = firstOf(queue);
      if (found !== null && (next === null || isBefore(found.waiting, next.waiting))) next = found;
    }
    if (next === null) return false;
    const { job } = next.waiting;
    const place = choose(job, next.open, openings);
    assert(next.open.includes(place), `${job.id} starts where something is open`);
    remove(job.id);
    openings.take(job, place);
    return true;
  };

  return {
    step(event) {
      openings.hear(event);
      if (event.kind === "job-pending") add(event.spec);
      if (event.kind === "job-gone") remove(event.job);
      while (startOne());
      return openings.takeStarts();
    },
  };
}

const kindKey = ({ endpoint, target, privacy, member, needs }: JobSpec): string =>
  JSON.stringify([endpoint, target, privacy === "own" ? member : "", needs]);

const shortest = (job: JobSpec): JobSpec => ({ ...job, promptTokens: 0, maxOutputTokens: 0 });

const isBefore = (one: Waiting, other: Waiting): boolean =>
  one.rank === other.rank ? one.arrival < other.arrival : one.rank < other.rank;

function placeIn(queue: readonly Waiting[], entry: Waiting): number {
  let low = 0;
  let high = queue.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const other = queue[middle];
    if (other !== undefined && isBefore(other, entry)) low = middle + 1;
    else high = middle;
  }
  return low;
}
