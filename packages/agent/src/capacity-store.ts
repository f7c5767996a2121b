import { rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { OperationalError } from "@coop/core";
import type { CapacityEstimate, Log } from "@coop/core";
import { z } from "zod";
import { readHomeFile, writeHomeFile } from "./agent-home.ts";
import { isMissing } from "./missing-file.ts";

/** What was learned of one model, and of which weights. */
export interface KnownCapacity {
  readonly digest: string;
  readonly estimate: CapacityEstimate;
}

export type KnownCapacities = ReadonlyMap<string, KnownCapacity>;

/**
 * Where learned capacities outlive the agent. A failure to read or write is told to the owner and stops
 * nothing: it can be learned again.
 */
export interface CapacityStore {
  /** By model name, what was handed over included; empty when nothing is kept, or not readably. */
  read(): Promise<KnownCapacities>;
  write(known: KnownCapacities): Promise<void>;
  /** Leaves what another program measured for the agent, which may run meanwhile. */
  handOver(measured: KnownCapacities): Promise<void>;
  /** Takes what was handed over since, once; empty when nothing was. */
  takeOver(): Promise<KnownCapacities>;
}

const figure = z.object({ value: z.number(), basis: z.enum(["prior", "measured"]) });
const learned = z.object({ value: z.number(), samples: z.number(), oddInARow: z.number() });
const fileSchema = z.record(
  z.string(),
  z.object({
    digest: z.string(),
    estimate: z.object({
      prior: z.object({
        fixedMsPerToken: figure,
        effectiveBytesPerSecond: figure,
        prefillTokensPerSecond: figure,
        batchFactor: figure,
        loadMs: figure,
        weightBytesPerToken: z.number(),
        kvBytesPerToken: z.number(),
      }),
      step: learned,
      prefill: learned,
      load: learned,
      batchFactor: learned,
    }),
  }),
) satisfies z.ZodType<Record<string, KnownCapacity>>;

/** Name of the file by which measured capacities are handed over. */
export const HANDED_OVER = "measured.json";

/** Keeps them in `capacity.json` of the agent's home. */
export function createCapacityFile({
  home,
  log,
}: {
  readonly home: string;
  readonly log: Log;
}): CapacityStore {
  const path = join(home, "capacity.json");
  const handedOver = join(home, HANDED_OVER);
  const taken = join(home, "measured.taken.json");

  const orTellOwner = async <T>(work: Promise<T>, otherwise: T): Promise<T> => {
    try {
      return await work;
    } catch (error) {
      if (!(error instanceof OperationalError)) throw error;
      log.warn({ path, problem: error.message }, "what was measured of this machine's speed is not kept");
      return otherwise;
    }
  };
  const readFrom = async (from: string): Promise<KnownCapacities> => {
    const kept = readHomeFile(from, fileSchema, "Remove it; the agent measures again.");
    return new Map(Object.entries((await orTellOwner(kept, null)) ?? {}));
  };

  return {
    read: async () => new Map([...(await readFrom(path)), ...(await readFrom(handedOver))]),
    async write(known) {
      await orTellOwner(writeHomeFile(path, Object.fromEntries(known)), undefined);
    },
    async handOver(measured) {
      const before = await readFrom(handedOver);
      await writeHomeFile(handedOver, Object.fromEntries([...before, ...measured]));
    },
    async takeOver() {
      try {
        await rename(handedOver, taken);
      } catch (error) {
        if (isMissing(error)) return new Map();
        throw error;
      }
      const measured = await readFrom(taken);
      await rm(taken, { force: true });
      return measured;
    },
  };
}
