import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll } from "vitest";
import { assert, defaultStorePolicy } from "@coop/core";
import type {
  Accounting,
  AttemptStore,
  JobDesk,
  LedgerEntry,
  LedgerReader,
  OutputLog,
  StorePolicy,
  UsageReader,
  Wake,
} from "@coop/core";
import { createManualClock, createMemoryJobStore, createMemoryOutputLog } from "@coop/core/testing";
import { createVault, type Vault } from "@coop/redis";
import {
  createAccounting,
  createJobStore,
  createKeys,
  createLedgerReader,
  createOutputLog,
  createScripts,
  createUsageReader,
  startTestRedis,
  type TestRedis,
} from "@coop/redis/testing";

/** A job store with its output log, and what only a test asks of them. */
export interface JobStores extends AsyncDisposable {
  readonly jobs: JobDesk & AttemptStore;
  readonly output: OutputLog;
  /** Makes this the leader's fencing number. */
  setFence(fence: number): Promise<void>;
  ledger(): Promise<readonly LedgerEntry[]>;
  /** The same, through the port. */
  readonly books: LedgerReader;
  readonly accounting: Accounting;
  readonly usage: UsageReader;
  /** Wake-ups so far, oldest first. On Redis they arrive a moment later. */
  readonly wakes: readonly Wake[];
}

export type OpenJobStores = (policy?: Partial<StorePolicy>) => Promise<JobStores>;

export const openMemoryStores: OpenJobStores = async (policy = {}) => {
  const output = createMemoryOutputLog();
  const wakes: Wake[] = [];
  const jobs = createMemoryJobStore({ output, policy, onWake: (wake) => wakes.push(wake) });
  return {
    jobs,
    output,
    setFence: async (fence) => jobs.setFence(fence),
    ledger: async () => jobs.ledger(),
    books: jobs.books,
    accounting: jobs.accounting,
    usage: jobs.usage,
    wakes,
    [Symbol.asyncDispose]: async () => undefined,
  };
};

/** The same on Redis, with a way to look behind the ports. */
export interface RedisJobStores extends JobStores {
  readonly redis: ReturnType<TestRedis["connect"]>;
  readonly keys: ReturnType<typeof createKeys>;
  readonly vault: Vault;
  readonly run: ReturnType<typeof createScripts>;
}

/** Opens stores under a prefix of their own in a test's Redis. */
export const openRedisStores =
  (server: TestRedis) =>
  async (policy: Partial<StorePolicy> = {}): Promise<RedisJobStores> => {
    const prefix = server.prefix();
    const keys = createKeys(prefix);
    const directory = await mkdtemp(join(tmpdir(), "coop-vault-"));
    const vault = createVault({ directory, clock: createManualClock() });
    const redis = server.connect();
    const subscriber = server.connect();
    const ears = server.connect();
    const full = { ...defaultStorePolicy, ...policy };
    const run = createScripts(redis, prefix, full);
    const books = createLedgerReader(redis, keys, run, full.nodeAccountKeptMs);
    const wakes: Wake[] = [];
    ears.on("message", (_channel, message) => wakes.push(JSON.parse(message)));
    await ears.subscribe(keys.wakeChannel);
    return {
      jobs: createJobStore({ redis, prefix, vault, policy }),
      output: createOutputLog({ redis, subscriber, prefix, vault }),
      setFence: async (fence) => void (await redis.set(keys.fence, fence)),
      ledger: async () =>
        (await books.page(null, 1_000)).map((line) => {
          const { position: _, ...entry } = line;
          return entry;
        }),
      books,
      accounting: createAccounting(redis, keys, run),
      usage: createUsageReader(keys, run),
      run,
      wakes,
      redis,
      keys,
      vault,
      [Symbol.asyncDispose]: async () => {
        for (const connection of [redis, subscriber, ears]) connection.disconnect();
        await rm(directory, { recursive: true });
      },
    };
  };

/** For `describe.each`: every store that has to keep the contract. The file's tests share one Redis. */
export function eachJobStores(): readonly (readonly [string, OpenJobStores])[] {
  const server = useTestRedis();
  return [
    ["memory", openMemoryStores],
    ["Redis", (policy) => openRedisStores(server())(policy)],
  ];
}

/** A Redis that lives as long as the file's tests run. */
export function useTestRedis(): () => TestRedis {
  let server: TestRedis | null = null;
  beforeAll(async () => {
    server = await startTestRedis();
  });
  afterAll(() => server?.stop());
  return () => {
    assert(server !== null, "the test's Redis is there while tests run");
    return server;
  };
}
