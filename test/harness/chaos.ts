import { setTimeout as pause } from "node:timers/promises";
import { jobViewSchema } from "@coop/protocol";
import type { JobView } from "@coop/protocol";
import { openBooks } from "./books.ts";
import type { Child } from "./child.ts";
import type { Cluster, TestMember } from "./cluster.ts";

/** The programs that a test may kill. */
export type Role = "agent" | "server" | "redis";

/** A node that can be killed and started again. */
export interface Victim {
  readonly name: string;
  readonly engineUrl: string;
  readonly owner: TestMember;
  child: Child;
}

/** `kill -9` of one program, and what an owner or operator would do then: start it again. */
export async function killAndRestart(cluster: Cluster, role: Role, victim: Victim): Promise<void> {
  switch (role) {
    case "agent":
      await victim.child.kill9();
      victim.child = await cluster.startAgent(victim.name, victim.engineUrl, victim.owner);
      return;
    case "server":
      await cluster.server().kill9();
      await cluster.restartServer();
      return;
    case "redis":
      return killRedis(cluster);
  }
}

/** Kills the embedded Redis and waits until the server has started it again. */
async function killRedis(cluster: Cluster): Promise<void> {
  const redis = await openBooks(cluster.home);
  const pidOf = async (): Promise<number> => Number(/process_id:(\d+)/.exec(await redis.info("server"))?.[1]);
  try {
    const pid = await pidOf();
    process.kill(pid, "SIGKILL");
    for (;;) {
      await pause(20);
      const now = await pidOf();
      if (now !== pid) return;
    }
  } finally {
    redis.disconnect();
  }
}

/** A request again and again while the server or its store is away: what a patient client does. */
export async function persist(work: () => Promise<Response>, withinMs: number): Promise<Response> {
  const until = performance.now() + withinMs;
  for (;;) {
    try {
      const response = await work();
      if (response.status !== 503) return response;
      await response.body?.cancel();
    } catch (error) {
      if (performance.now() > until) throw error;
    }
    if (performance.now() > until) throw new Error("still refused");
    await pause(50);
  }
}

/** Submits a detached job under an idempotency key, so that an unknown outcome can be asked again. */
export async function submitDetached(
  cluster: Cluster,
  member: TestMember,
  idempotencyKey: string,
  request: object,
): Promise<string> {
  const response = await persist(
    () =>
      cluster.request("/v1/jobs", {
        method: "POST",
        key: member.key,
        headers: { "idempotency-key": idempotencyKey },
        body: JSON.stringify({ request }),
        signal: AbortSignal.timeout(5_000),
      }),
    60_000,
  );
  if (!response.ok) throw new Error(`submit: ${response.status} ${await response.text()}`);
  return jobViewSchema.parse(await response.json()).id;
}

export async function readJob(cluster: Cluster, member: TestMember, id: string): Promise<JobView> {
  const response = await persist(
    () => cluster.request(`/v1/jobs/${id}`, { key: member.key, signal: AbortSignal.timeout(5_000) }),
    60_000,
  );
  if (!response.ok) throw new Error(`job ${id}: ${response.status} ${await response.text()}`);
  return jobViewSchema.parse(await response.json());
}

const LIVE = new Set<JobView["state"]>(["queued", "leased", "running"]);

/** Waits until a job has ended. */
export async function untilEnded(
  cluster: Cluster,
  member: TestMember,
  id: string,
  withinMs: number,
): Promise<JobView> {
  return untilJob(cluster, member, id, (job) => !LIVE.has(job.state), withinMs);
}

/** Waits until a job fits. */
export async function untilJob(
  cluster: Cluster,
  member: TestMember,
  id: string,
  fits: (job: JobView) => boolean,
  withinMs: number,
): Promise<JobView> {
  const until = performance.now() + withinMs;
  for (;;) {
    const job = await readJob(cluster, member, id);
    if (fits(job)) return job;
    if (performance.now() > until) throw new Error(`not in ${withinMs} ms: ${JSON.stringify(job)}`);
    await pause(25);
  }
}
