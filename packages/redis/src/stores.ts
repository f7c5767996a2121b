import {
  defaultStorePolicy,
  OperationalError,
  type Accounting,
  type AttemptStore,
  type AuditLog,
  type Clock,
  type Erasures,
  type FleetBoard,
  type JobDesk,
  type Leadership,
  type LedgerReader,
  type Log,
  type MemberStore,
  type NodeRegistry,
  type OutputLog,
  type StorePolicy,
  type StoreSnapshots,
  type UsageReader,
  type WakeUps,
} from "@coop/core";
import type { Redis } from "ioredis";
import { createAuditLog } from "./audit-log.ts";
import { openConnection, type ConnectionUse } from "./connection.ts";
import { requireFitRedis, type Persistence } from "./fitness.ts";
import { createAccounting } from "./accounting.ts";
import { admitCopied } from "./copied-admission.ts";
import { createErasures } from "./erasures.ts";
import { createFleetBoard } from "./fleet-board.ts";
import { createJobStore } from "./job-store.ts";
import { createKeys, DEFAULT_PREFIX } from "./keys.ts";
import { createLeadership } from "./leadership.ts";
import { createLedgerReader } from "./ledger.ts";
import { createMemberStore } from "./membership.ts";
import { createNodeRegistry } from "./node-registry.ts";
import { createOutputLog } from "./output-log.ts";
import { createProjector, type Projector } from "./projector.ts";
import { openQueueView, type QueueView } from "./queue-view.ts";
import { parseRedisAddress, type RedisAddress } from "./redis-address.ts";
import { createScripts, type OnStep } from "./script.ts";
import { createSnapshots } from "./snapshot.ts";
import { createUsageReader } from "./usage.ts";
import type { Vault } from "./vault.ts";
import { createWakeUps } from "./wake-ups.ts";

/** Where Redis is: as people write it, or the socket of an embedded one. */
export type RedisPlaceOption = { readonly url: string } | { readonly socketPath: string };

export type StoresOptions = RedisPlaceOption & {
  /** Key prefix with a hash tag; the co-op's own unless several share a Redis, as tests do. */
  readonly prefix?: string;
  readonly vault: Vault;
  readonly clock: Clock;
  readonly log: Log;
  /** Where the job store differs from its default bounds and durations. */
  readonly policy?: Partial<StorePolicy>;
  /** Hears how long the steps in Redis take. */
  readonly onStep?: OnStep;
};

/** Every port that Redis serves. */
export interface Stores extends AsyncDisposable {
  readonly desk: JobDesk;
  readonly attempts: AttemptStore;
  readonly output: OutputLog;
  readonly wakeUps: WakeUps;
  readonly members: MemberStore;
  readonly nodes: NodeRegistry;
  readonly ledger: LedgerReader;
  readonly audit: AuditLog;
  readonly erasures: Erasures;
  readonly accounting: Accounting;
  readonly usage: UsageReader;
  readonly board: FleetBoard;
  readonly leadership: Leadership;
  /** Keeps BullMQ as the jobs are; the leading scheduler runs it. */
  readonly projector: Projector;
  /** Opens BullMQ's queue to look at, on a connection that is closed with the others. */
  readonly queueView: () => QueueView;
  /** What the settings of Redis, as they were when it was opened, promise for a crash. */
  readonly persistence: Persistence;
  /** Copies of what Redis holds; for a Redis on this machine. */
  readonly snapshots: StoreSnapshots;
  /** Closes every connection. */
  close(): Promise<void>;
}

const connectWithinMs = 5_000;

/**
 * Connects to Redis, checks that it may hold the co-op's jobs, and opens every port on it.
 * @throws OperationalError `redis-unreachable`, or one that names the setting of Redis to change.
 */
export async function openStores(options: StoresOptions): Promise<Stores> {
  const { vault, log, prefix = DEFAULT_PREFIX, onStep = () => undefined } = options;
  const address: RedisAddress =
    "url" in options ? parseRedisAddress(options.url) : { kind: "socket", path: options.socketPath };
  const open = new Set<Redis>();
  const connect = (use: ConnectionUse, name: string): Redis => {
    const redis = openConnection(address, use, name, log);
    open.add(redis);
    redis.once("end", () => open.delete(redis));
    return redis;
  };
  const close = async (): Promise<void> => {
    for (const redis of open) redis.disconnect();
  };

  try {
    const desk = connect("request", "desk");
    const scheduler = connect("request", "scheduler");
    const subscriber = connect("steady", "output");
    const copying = address.kind === "sentinels" ? connect("request", "copied") : null;
    await Promise.all([desk, scheduler, subscriber, ...(copying === null ? [] : [copying])].map(reach));
    const persistence = await requireFitRedis(desk, log);

    const keys = createKeys(prefix);
    const policy = { ...defaultStorePolicy, ...options.policy };
    const scriptsOn = (redis: Redis) => createScripts(redis, prefix, policy, onStep);
    const runForDesk = scriptsOn(desk);
    const runForScheduler = scriptsOn(scheduler);
    const jobDesk = createJobStore({ redis: desk, prefix, vault, policy, onStep });
    const members = createMemberStore(desk, keys, runForDesk);
    const nodes = createNodeRegistry(desk, keys, runForDesk);
    return {
      desk: copying === null ? jobDesk : admitCopied(jobDesk, copying, keys.copied),
      members,
      nodes,
      erasures: createErasures({ redis: desk, keys, run: runForDesk, members, nodes, desk: jobDesk }),
      attempts: createJobStore({ redis: scheduler, prefix, vault, policy, onStep }),
      output: createOutputLog({ redis: desk, subscriber, prefix, vault }),
      wakeUps: createWakeUps(() => connect("steady", "wake"), keys.wakeChannel, log),
      ledger: createLedgerReader(desk, keys, runForDesk, policy.nodeAccountKeptMs),
      accounting: createAccounting(desk, keys, runForDesk),
      usage: createUsageReader(keys, runForDesk),
      audit: createAuditLog(desk, keys, runForDesk),
      board: createFleetBoard(scheduler, keys, runForScheduler),
      leadership: createLeadership(keys, runForScheduler),
      projector: createProjector({
        connect: () => connect("steady", "projector"),
        scriptsOn,
        keys,
        prefix,
        clock: options.clock,
        log,
      }),
      queueView: () => openQueueView(connect("request", "queue-view"), prefix),
      persistence,
      snapshots: createSnapshots(desk),
      close,
      [Symbol.asyncDispose]: close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** A Redis that is just starting refuses connections for a moment, so the first failure is not the last word. */
async function reach(redis: Redis): Promise<void> {
  const ready = new Promise<void>((resolve) => redis.once("ready", () => resolve()));
  let lastError: unknown = null;
  redis.on("error", (error) => (lastError = error));
  redis.connect().catch((error: unknown) => (lastError ??= error));
  const timer = Promise.withResolvers<never>();
  const timeout = setTimeout(() => {
    timer.reject(
      new OperationalError(
        "redis-unreachable",
        `Redis did not answer within ${connectWithinMs / 1000} s (${String(lastError)}). Check that it runs and that REDIS_URL is right.`,
        { retriable: true, cause: lastError },
      ),
    );
  }, connectWithinMs);
  try {
    await Promise.race([ready, timer.promise]);
  } finally {
    clearTimeout(timeout);
  }
}
