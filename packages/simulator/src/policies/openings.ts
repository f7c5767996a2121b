import { holdTokens, prefillMs } from "@coop/core";
import type { DispatchEvent, JobSpec, NodeId } from "@coop/core";
import type { FleetView, Place, Start } from "../world/policy.ts";

/**
 * What is open at this moment: slots, memory and tokens, less what the same decision has given away already. The
 * world counts a start only after the policy has answered; here it counts at once.
 */
export interface Openings {
  /** Learns a node's memory from what it says when it joins. */
  readonly hear: (event: DispatchEvent) => void;
  /** Whether the job could start at the place now, its model fitting in memory beside those in use. */
  readonly isOpen: (job: JobSpec, place: Place) => boolean;
  readonly take: (job: JobSpec, place: Place) => void;
  /** The starts taken since the last call, in order. */
  readonly takeStarts: () => readonly Start[];
  /** Slots that are neither in use nor given away. */
  readonly freeSlots: (place: Place) => number;
}

interface Memory {
  readonly modelMemoryBytes: number;
  readonly residentBytes: ReadonlyMap<string, number>;
}

export function createOpenings(fleet: FleetView): Openings {
  const memories = new Map<NodeId, Memory>();
  let taken: { readonly job: JobSpec; readonly place: Place }[] = [];
  const takenOn = ({ node }: Place): typeof taken => taken.filter(({ place }) => place.node === node);

  const fits = ({ node, model }: Place): boolean => {
    const memory = memories.get(node.id);
    if (memory === undefined) return true;
    const inUse = new Set(node.models.filter(({ running }) => running > 0).map(({ name }) => name));
    for (const { place } of takenOn({ node, model })) inUse.add(place.model.name);
    inUse.add(model.name);
    let bytes = 0;
    for (const name of inUse) bytes += memory.residentBytes.get(name) ?? 0;
    return bytes <= memory.modelMemoryBytes;
  };

  const freeSlots = (place: Place): number =>
    place.node.present ? place.node.slots - place.node.running - takenOn(place).length : 0;

  return {
    hear(event) {
      if (event.kind !== "node-joined") return;
      const { modelMemoryBytes, models } = event.report;
      const residentBytes = new Map(models.map((model) => [model.name, model.residentBytes]));
      memories.set(event.identity.id, { modelMemoryBytes, residentBytes });
    },
    isOpen(job, place) {
      if (!fleet.canStart(job, place) || freeSlots(place) < 1) return false;
      const held = takenOn(place).reduce((sum, one) => sum + holdTokens(one.job), 0);
      return (place.node.tokensLeft ?? Infinity) >= held + holdTokens(job) && fits(place);
    },
    take(job, place) {
      taken.push({ job, place });
    },
    takeStarts() {
      const starts = taken.map(({ job, place }) => ({
        job: job.id,
        node: place.node.id,
        model: place.model.name,
      }));
      taken = [];
      return starts;
    },
    freeSlots,
  };
}

/**
 * Time that a job is expected to take at a place as it is now, its model's load included, seconds: prompts and other
 * models' batches take turns with it, and its own batch slows it down.
 */
export function expectedS(fleet: FleetView, job: JobSpec, place: Place): number {
  const { node, model } = place;
  const batch = model.running;
  const others = node.models.filter((other) => other !== model && other.running > 0).length;
  const prefillS = prefillMs(model.capacity, job.promptTokens) / 1000;
  const decodeS = fleet.aloneS(job, place) - prefillS;
  const turns = 1 + others;
  const slowed = 1 + model.capacity.batchFactor.value * batch;
  return fleet.loadS(place) + prefillS * (turns + Math.min(1, batch)) + decodeS * turns * slowed;
}

/** The place of least expected time; the first among equals. Null for none. */
export function fastest(fleet: FleetView, job: JobSpec, places: readonly Place[]): Place | null {
  let best: Place | null = null;
  let bestS = Infinity;
  for (const place of places) {
    const takesS = expectedS(fleet, job, place);
    if (takesS < bestS || best === null) {
      best = place;
      bestS = takesS;
    }
  }
  return best;
}
