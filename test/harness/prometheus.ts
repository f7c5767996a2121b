import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { join, resolve } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { unpackDebianPackage, withExclusiveLock } from "@coop/redis/testing";
import { z } from "zod";
import { runTool } from "./run-tool.ts";

/** The programs of a Prometheus that this machine can run, or why it has none. */
export type PrometheusPrograms =
  | { readonly kind: "found"; readonly prometheus: string; readonly promtool: string }
  | { readonly kind: "missing"; readonly why: string };

const cache = resolve(import.meta.dirname, "../../.tools/prometheus");

/** The one on PATH, else Debian's package, fetched once (19 MB) and unpacked without root. */
export async function obtainPrometheus(): Promise<PrometheusPrograms> {
  const onPath = { kind: "found", prometheus: "prometheus", promtool: "promtool" } as const;
  if (await runs(onPath.promtool)) return onPath;
  await mkdir(cache, { recursive: true });
  const folder = join(cache, "debian");
  return await withExclusiveLock(join(cache, "lock"), async () => {
    try {
      if (!existsSync(folder)) await unpackDebianPackage("prometheus", folder, "alone");
    } catch (error) {
      const why = `no Prometheus on PATH (Debian, Ubuntu: sudo apt-get install prometheus), and none could be fetched: ${String(error)}`;
      return { kind: "missing", why };
    }
    const bin = join(folder, "usr", "bin");
    const unpacked = {
      kind: "found",
      prometheus: join(bin, "prometheus"),
      promtool: join(bin, "promtool"),
    } as const;
    if (await runs(unpacked.promtool)) return unpacked;
    return { kind: "missing", why: `the Prometheus in ${folder} does not run here` };
  });
}

const runs = async (promtool: string): Promise<boolean> =>
  (await runTool(promtool, ["--version"])).kind === "succeeded";

/** One series of an answer, at the moment of the question. */
export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface Alert {
  readonly name: string;
  readonly state: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

export interface ScrapeTarget {
  readonly instance: string;
  readonly health: string;
  readonly lastError: string;
}

/** A Prometheus of a test's own. */
export interface RunningPrometheus {
  query(expr: string): Promise<readonly Sample[]>;
  alerts(): Promise<readonly Alert[]>;
  targets(): Promise<readonly ScrapeTarget[]>;
  stop(): Promise<void>;
}

const labels = z.record(z.string(), z.string());
const queryAnswer = z.object({
  data: z.discriminatedUnion("resultType", [
    z.object({
      resultType: z.literal("vector"),
      result: z.array(z.object({ metric: labels, value: z.tuple([z.number(), z.string()]) })),
    }),
    z.object({ resultType: z.literal("scalar"), result: z.tuple([z.number(), z.string()]) }),
  ]),
});
const alertsAnswer = z.object({
  data: z.object({
    alerts: z.array(z.object({ labels, annotations: labels, state: z.string() })),
  }),
});
const targetsAnswer = z.object({
  data: z.object({
    activeTargets: z.array(z.object({ labels, health: z.string(), lastError: z.string() })),
  }),
});

/** Starts one in a folder of its own; `config` is the text of its `prometheus.yml`. Resolves when it answers. */
export async function startPrometheus(
  program: string,
  folder: string,
  config: string,
): Promise<RunningPrometheus> {
  await writeFile(join(folder, "prometheus.yml"), config);
  for (;;) {
    const launched = await launch(program, folder, await freePort());
    if (launched.kind === "ready") return questionsTo(launched);
    // Somebody else was quicker to take the port.
    if (!launched.said.includes("address already in use")) throw new Error(`Prometheus: ${launched.said}`);
  }
}

interface Launched {
  readonly url: string;
  readonly stop: () => Promise<void>;
}

async function launch(
  program: string,
  folder: string,
  port: number,
): Promise<({ readonly kind: "ready" } & Launched) | { readonly kind: "ended"; readonly said: string }> {
  const url = `http://127.0.0.1:${port}`;
  const child = spawn(
    program,
    [
      `--config.file=${join(folder, "prometheus.yml")}`,
      `--storage.tsdb.path=${join(folder, "data")}`,
      `--web.listen-address=${new URL(url).host}`,
      "--log.level=warn",
    ],
    { stdio: ["ignore", "ignore", "pipe"] },
  );
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => (said += chunk.toString("utf8")));
  const ended = once(child, "exit");
  const running = (): boolean => child.exitCode === null && child.signalCode === null;
  const isReady = (): Promise<boolean> =>
    fetch(`${url}/-/ready`, { signal: AbortSignal.timeout(1_000) }).then(
      ({ ok }) => ok,
      () => false,
    );
  while (running() && !(await isReady())) await pause(50);
  if (!running()) return { kind: "ended", said };
  const stop = async (): Promise<void> => {
    child.kill("SIGTERM");
    await ended;
  };
  return { kind: "ready", url, stop };
}

function questionsTo({ url, stop }: Launched): RunningPrometheus {
  const ask = async <T>(path: string, schema: z.ZodType<T>): Promise<T> => {
    const response = await fetch(url + path, { signal: AbortSignal.timeout(10_000) });
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    return schema.parse(await response.json());
  };
  return {
    async query(expr) {
      const { data } = await ask(`/api/v1/query?query=${encodeURIComponent(expr)}`, queryAnswer);
      if (data.resultType === "scalar") return [{ labels: {}, value: Number(data.result[1]) }];
      return data.result.map(({ metric, value }) => ({ labels: metric, value: Number(value[1]) }));
    },
    async alerts() {
      const { data } = await ask("/api/v1/alerts", alertsAnswer);
      return data.alerts.map((alert) => ({ name: alert.labels["alertname"] ?? "", ...alert }));
    },
    async targets() {
      const { data } = await ask("/api/v1/targets", targetsAnswer);
      return data.activeTargets.map((target) => ({ ...target, instance: target.labels["instance"] ?? "" }));
    },
    stop,
  };
}

/** A port that nobody listened on a moment ago. */
async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
