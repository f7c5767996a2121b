import { mkdir } from "node:fs/promises";
import type { IncomingMessage, Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import { createAdaptorServer } from "@hono/node-server";
import {
  API_DEFAULTS,
  createApi,
  createAuditTrail,
  createIds,
  createMonitoring,
  PENDING_CAPS,
} from "@coop/api";
import { OperationalError } from "@coop/core";
import type { Clock, CoopSettings, Log, Random } from "@coop/core";
import { createMetrics } from "@coop/metrics";
import { NODE_SOCKET_PATH } from "@coop/protocol";
import { createVault, openStores, startEmbeddedRedis } from "@coop/redis";
import type { Vault } from "@coop/redis";
import { createScheduler } from "@coop/scheduler";
import type { Scheduler, SchedulerTiming } from "@coop/scheduler";
import { loadAgentPackage } from "./agent-package.ts";
import type { ServerConfig } from "./config.ts";
import { watchLedger } from "./ledger-watch.ts";
import { ensureOperatorKey } from "./operator.ts";
import { queueBoard } from "./queue-board.ts";
import { firstDayKept, storePolicy } from "./retention.ts";
import { loadSecrets } from "./secrets.ts";
import { loadSettings } from "./settings/load.ts";
import { recordSettings } from "./settings/recorded.ts";
import { finishErasures } from "./unfinished-erasures.ts";

export interface RunningServer {
  readonly url: string;
  /** Where the operator's key was written just now; null when it was there. */
  readonly newOperatorKey: string | null;
  /** Rejects when a part fails that the server cannot run without. */
  readonly failed: Promise<never>;
  /** Sends agents away, ends open answers and leaves Redis in order. */
  stop(): Promise<void>;
}

const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 30_000;
/** How long answers that have ended may take to be written when the server stops. */
const LAST_WORDS_MS = 1_000;
const HOUR_MS = 3_600_000;
const SHRED_EVERY_MS = HOUR_MS;
/** What the names of the co-op's keys in Redis begin with. */
export const KEY_PREFIX = "{coop}";
/** Where operators look at the queue, behind what stands before all of `/admin`. */
const QUEUES_PATH = "/admin/queues";

const systemClock: Clock = { now: () => Date.now() };
const systemRandom: Random = { next: () => Math.random() };

/**
 * Composes Redis, api and scheduler into one listening program.
 * @param timing departures from the scheduler's usual times, for tests of failures that would take minutes.
 * @throws OperationalError when Redis cannot be had or is unfit, or the port is taken.
 */
export async function startServer(
  config: ServerConfig,
  log: Log,
  timing: Partial<SchedulerTiming> = {},
): Promise<RunningServer> {
  await mkdir(config.home, { recursive: true, mode: 0o700 });
  const settings = await settingsInForce(config);
  await using undo = new AsyncDisposableStack();
  const { identity, pepper, auditKey } = await loadSecrets(join(config.home, "server"));
  const address = await redisAddress(config, log, undo);
  const vault = createVault({ directory: join(config.home, "server", "vault"), clock: systemClock });
  const metrics = createMetrics();
  const stores = await openStores({
    ...address,
    prefix: KEY_PREFIX,
    vault,
    clock: systemClock,
    log,
    policy: storePolicy(settings),
    onStep: metrics.storeStep,
  });
  undo.defer(() => stores.close());
  metrics.persistence(stores.persistence);
  const ids = createIds(systemClock);
  const audit = createAuditTrail({ log: stores.audit, key: auditKey, clock: systemClock });
  const newOperatorKey = config.roles.includes("api")
    ? await ensureOperatorKey({ ...stores, ids, clock: systemClock, pepper, home: config.home, audit })
    : null;
  if (config.roles.includes("api")) {
    await recordSettings(audit, settings);
    await finishErasures({ ...stores, audit, clock: systemClock, log });
  }

  let url = config.publicUrl ?? "";
  const publicUrl = (): string => url;
  const shared = { ...stores, clock: systemClock, serverIdentity: identity, log, metrics };
  const scheduler = config.roles.includes("scheduler")
    ? createScheduler({
        ...shared,
        random: systemRandom,
        timeZone: settings.timeZone,
        address: publicUrl,
        timing,
      })
    : null;
  const leads = (): boolean => scheduler?.state().kind === "leading";
  const { metricsToken, metricsOfMembers } = config;
  const watched = { ...shared, leads, metricsToken, metricsOfMembers, settings, defaults: API_DEFAULTS };
  const api = config.roles.includes("api")
    ? createApi({
        ...watched,
        audit,
        ids,
        agentPackage: await loadAgentPackage(config.agentPackage),
        snapshots: config.redisUrl === null ? stores.snapshots : { take: async () => null },
        pepper,
        publicUrl,
        pendingCaps: PENDING_CAPS,
      })
    : null;
  api?.app.route(QUEUES_PATH, queueBoard(stores.queueView(), QUEUES_PATH));
  api?.app.get(`${QUEUES_PATH}/`, (c) => c.redirect(QUEUES_PATH));

  const server = createAdaptorServer({
    fetch: (api?.app ?? createMonitoring(watched)).fetch,
    serverOptions: { headersTimeout: HEADERS_TIMEOUT_MS, requestTimeout: REQUEST_TIMEOUT_MS },
  }) as Server;
  server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) =>
    upgrade(scheduler, request, socket, head),
  );
  const localUrl = await listen(server, config);
  url = config.publicUrl ?? localUrl;
  undo.defer(() => closeServer(server));
  undo.defer(shredPastDays(vault, settings.retentionMs));
  if (scheduler) undo.defer(watchLedger(shared));
  const failed = runScheduler(scheduler, undo);
  // First of all, so that the scheduler can still tell the nodes.
  if (api) undo.defer(() => api.stop());
  const parts = undo.move();
  return { url: localUrl, newOperatorKey, failed, stop: () => parts.disposeAsync() };
}

async function settingsInForce(config: ServerConfig): Promise<CoopSettings> {
  const settings = await loadSettings(config.settingsPath, config.machineTimeZone);
  return { ...settings, timeZone: config.timeZone ?? settings.timeZone };
}

async function redisAddress(
  config: ServerConfig,
  log: Log,
  undo: AsyncDisposableStack,
): Promise<{ readonly url: string } | { readonly socketPath: string }> {
  if (config.redisUrl !== null) return { url: config.redisUrl };
  const embedded = await startEmbeddedRedis({
    directory: join(config.home, "redis"),
    cacheDirectory: join(config.cache, "redis"),
    log,
  });
  undo.defer(() => embedded.stop());
  return { socketPath: embedded.socketPath };
}

/** Runs the scheduler until disposal; its failure rejects. */
function runScheduler(scheduler: Scheduler | null, undo: AsyncDisposableStack): Promise<never> {
  if (!scheduler) return new Promise<never>(() => undefined);
  const abort = new AbortController();
  const work = scheduler.run(abort.signal);
  undo.defer(async () => {
    abort.abort();
    await work;
  });
  return work.then(() => new Promise<never>(() => undefined));
}

/** Removes the keys of days whose prompts and outputs are past every deadline and retention. Returns how to stop. */
function shredPastDays(vault: Vault, retentionMs: number): () => void {
  const shred = (): void => {
    vault.shred(firstDayKept(systemClock.now(), retentionMs));
  };
  shred();
  const timer = setInterval(shred, SHRED_EVERY_MS);
  return () => clearInterval(timer);
}

function upgrade(scheduler: Scheduler | null, request: IncomingMessage, socket: Duplex, head: Buffer): void {
  const path = (request.url ?? "").split("?")[0];
  if (scheduler && path === NODE_SOCKET_PATH) scheduler.gateway.handleUpgrade(request, socket, head);
  else socket.end("HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n");
}

async function listen(server: Server, config: ServerConfig): Promise<string> {
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => reject(listenError(error, config)));
    server.listen(config.port, config.host, resolve);
  });
  const { address, port, family } = server.address() as AddressInfo;
  const host = family === "IPv6" ? `[${address}]` : address;
  return `http://${host}:${port}`;
}

function listenError(error: NodeJS.ErrnoException, config: ServerConfig): Error {
  const place = `${config.host}:${config.port}`;
  if (error.code === "EADDRINUSE") {
    return new OperationalError(
      "port-in-use",
      `${place} is in use by another program. Stop it, or choose another: COOP_LISTEN=127.0.0.1:7071`,
      { cause: error },
    );
  }
  if (error.code === "EACCES" || error.code === "EADDRNOTAVAIL") {
    return new OperationalError(
      "cannot-listen",
      `Cannot listen on ${place} (${error.code}). Choose another address with COOP_LISTEN.`,
      { cause: error },
    );
  }
  return error;
}

async function closeServer(server: Server): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  const cut = setTimeout(() => server.closeAllConnections(), LAST_WORDS_MS);
  await closed;
  clearTimeout(cut);
}
