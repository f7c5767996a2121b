import { join } from "node:path";
import { OperationalError } from "@coop/core";
import type { CapacityEstimate, Log } from "@coop/core";
import { z } from "zod";
import { readHomeFile, writeHomeFile } from "./agent-home.ts";

/** What was learned of one model, and of which weights. */
export interface KnownCapacity {
  readonly digest: string;
  readonly estimate: CapacityEstimate;
}

/** Where learned capacities outlive the agent. */
export interface CapacityStore {
  /** By model name; empty when nothing is kept, or not readably. */
  read(): Promise<ReadonlyMap<string, KnownCapacity>>;
  /** A failure to write is told to the owner and stops nothing: it can be learned again. */
  write(known: ReadonlyMap<string, KnownCapacity>): Promise<void>;
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

/** Keeps them in `capacity.json` of the agent's home. */
export function createCapacityFile({
  home,
  log,
}: {
  readonly home: string;
  readonly log: Log;
}): CapacityStore {
  const path = join(home, "capacity.json");
  const orTellOwner = async <T>(work: Promise<T>, otherwise: T): Promise<T> => {
    try {
      return await work;
    } catch (error) {
      if (!(error instanceof OperationalError)) throw error;
      log.warn({ path, problem: error.message }, "what was measured of this machine's speed is not kept");
      return otherwise;
    }
  };
  return {
    async read() {
      const kept = readHomeFile(path, fileSchema, "Remove it; the agent measures again.");
      return new Map(Object.entries((await orTellOwner(kept, null)) ?? {}));
    },
    async write(known) {
      await orTellOwner(writeHomeFile(path, Object.fromEntries(known)), undefined);
    },
  };
}
