/** The co-op that is measured: real programs on loopback, and the instant engine behind the agents. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { startChild } from "../harness/child.ts";
import type { Child } from "../harness/child.ts";
import { startCluster } from "../harness/cluster.ts";
import { coopTarget, engineTarget } from "./workload.ts";
import type { Target } from "./workload.ts";

export interface Rig extends AsyncDisposable {
  readonly coop: Target;
  /** The engine without anything before it. */
  readonly engine: Target;
  readonly agents: readonly Child[];
  /** Stops the first agent and starts it again, as on every day after the one on which it joined. */
  restartAgent(): Promise<Child>;
  readonly serverPid: number;
  readonly redisPid: number;
  /** The server's metrics in Prometheus' text format. */
  metrics(): Promise<string>;
}

export const AGENTS = 2;
/** Generations that each agent runs at once: together more than any bench has under way. */
export const SLOTS = 64;

export async function startRig(): Promise<Rig> {
  await using undo = new AsyncDisposableStack();
  const engine = startChild(join(import.meta.dirname, "instant-engine.ts"), [], {});
  undo.defer(async () => void (await engine.stop()));
  const [, engineUrl = ""] = await engine.line(/engine at (\S+)/);
  const cluster = await startCluster();
  undo.defer(() => cluster.stop());
  const member = await cluster.addMember("bench");
  const options = ["--slots", String(SLOTS), "--context", "8192"];
  const startAgent = (index: number): Promise<Child> =>
    cluster.startAgent(`bench-${index}`, engineUrl, member, options);
  const agents: Child[] = [];
  for (let index = 0; index < AGENTS; index += 1) agents.push(await startAgent(index));
  const parts = undo.move();
  return {
    coop: coopTarget(cluster.url, member.key),
    engine: engineTarget(engineUrl),
    agents,
    async restartAgent() {
      await agents[0]?.stop();
      agents[0] = await startAgent(0);
      return agents[0];
    },
    serverPid: cluster.server().pid,
    redisPid: Number(await readFile(join(cluster.home, "redis", "redis.pid"), "utf8")),
    metrics: async () => await (await fetch(`${cluster.url}/metrics`)).text(),
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  };
}
