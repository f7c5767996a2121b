import { defaultStorePolicy, type AttemptStore, type JobDesk, type StorePolicy } from "@coop/core";
import type { Redis } from "ioredis";
import { createAttemptStore } from "./attempt-store.ts";
import { createJobDesk } from "./job-desk.ts";
import { createKeys, type Keys } from "./keys.ts";
import { createScripts, type OnStep, type RunScript } from "./script.ts";
import type { Vault } from "./vault.ts";

export interface JobStoreOptions {
  readonly redis: Redis;
  /** Key prefix with a hash tag, such as `{coop}`. */
  readonly prefix: string;
  readonly vault: Vault;
  /** Where it differs from the default. */
  readonly policy?: Partial<StorePolicy>;
  /** Hears how long the steps in Redis take. */
  readonly onStep?: OnStep;
}

/** What the two parts of the store are made of. */
export interface JobStoreParts {
  readonly redis: Redis;
  readonly keys: Keys;
  readonly run: RunScript;
  readonly vault: Vault;
}

/**
 * The job store on Redis. The truth about a job is its hash, and only the scripts change it: each call that
 * changes something is one script and one round trip. When Redis does not answer, calls reject with an
 * OperationalError `store-unavailable`.
 */
export function createJobStore({
  redis,
  prefix,
  vault,
  policy,
  onStep,
}: JobStoreOptions): JobDesk & AttemptStore {
  const parts: JobStoreParts = {
    redis,
    keys: createKeys(prefix),
    run: createScripts(redis, prefix, { ...defaultStorePolicy, ...policy }, onStep),
    vault,
  };
  return { ...createJobDesk(parts), ...createAttemptStore(parts) };
}
