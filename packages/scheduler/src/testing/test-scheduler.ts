import { generateKeyPairSync, sign, createHash } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type {
  AttemptStore,
  Clock,
  FleetBoard,
  JobDesk,
  Leadership,
  Log,
  NodeRegistry,
  ServerIdentity,
  WakeUps,
} from "@coop/core";
import { vi } from "vitest";
import { createSeededRandom } from "@coop/core/testing";
import { createMetrics } from "@coop/metrics";
import type { Metrics } from "@coop/metrics";
import { createScheduler } from "../scheduler.ts";
import type { Scheduler } from "../scheduler.ts";
import type { SchedulerTiming } from "../timing.ts";

export interface SchedulerPorts {
  readonly clock: Clock;
  readonly desk: JobDesk;
  readonly attempts: AttemptStore;
  readonly wakeUps: WakeUps;
  readonly nodes: NodeRegistry;
  readonly board: FleetBoard;
  readonly leadership: Leadership;
}

/** A scheduler that serves agents on a port of its own. */
export interface TestScheduler extends AsyncDisposable {
  /** WebSocket address. */
  readonly url: string;
  readonly identity: ServerIdentity;
  readonly scheduler: Scheduler;
  readonly metrics: Metrics;
  /** Messages it logged. */
  readonly logged: readonly string[];
  /** Ends it as a program's end would: agents are sent away, the lead is given up. */
  stop(): Promise<void>;
}

/** Waits until the scheduler leads. */
export const leads = (server: TestScheduler): Promise<void> =>
  vi.waitFor(() => {
    if (server.scheduler.state().kind !== "leading") throw new Error("it does not lead");
  });

/** Times short enough that a test may wait for them. */
const QUICK: Partial<SchedulerTiming> = {
  campaignEveryMs: 20,
  tickMs: 20,
  boardEveryMs: 20,
  sweepEveryMs: 50,
  renewEveryMs: 50,
  busyRetryMs: 20,
};

export function createTestIdentity(): ServerIdentity {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  const der = publicKey.export({ format: "der", type: "spki" });
  return {
    serverId: createHash("sha256").update(der).digest("hex"),
    publicKey: der.toString("base64"),
    sign: (text) => sign(null, Buffer.from(text), privateKey).toString("base64"),
  };
}

export async function startTestScheduler(
  ports: SchedulerPorts,
  timing: Partial<SchedulerTiming> = {},
  timeZone = "UTC",
): Promise<TestScheduler> {
  const logged: string[] = [];
  const metrics = createMetrics();
  const identity = createTestIdentity();
  const http = createServer();
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
  const { port } = http.address() as AddressInfo;
  const scheduler = createScheduler({
    ...ports,
    random: createSeededRandom(1),
    serverIdentity: identity,
    timeZone,
    address: () => `http://127.0.0.1:${port}`,
    log: logInto(logged),
    metrics,
    projector: { poke: () => {}, run: untilAborted },
    timing: { ...QUICK, ...timing },
  });
  http.on("upgrade", (request, socket, head) => scheduler.gateway.handleUpgrade(request, socket, head));
  const stopping = new AbortController();
  const running = scheduler.run(stopping.signal);
  const stop = async (): Promise<void> => {
    stopping.abort();
    await running;
    http.closeAllConnections();
    await new Promise<void>((resolve) => http.close(() => resolve()));
  };
  let stopped: Promise<void> | null = null;
  const stopOnce = (): Promise<void> => (stopped ??= stop());
  return {
    url: `ws://127.0.0.1:${port}`,
    identity,
    scheduler,
    metrics,
    logged,
    stop: stopOnce,
    [Symbol.asyncDispose]: stopOnce,
  };
}

function logInto(lines: string[]): Log {
  const at = (level: string) => (fields: Readonly<Record<string, unknown>>, message: string) => {
    const { err } = fields;
    lines.push(`${level} ${message} ${JSON.stringify(fields)}${err instanceof Error ? ` ${err.stack}` : ""}`);
  };
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}

const untilAborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
