import { setTimeout as pauseFor } from "node:timers/promises";
import { jobListSchema, jobViewSchema, nodeListSchema, placementSchema, quotaSchema } from "@coop/protocol";
import type { JobView, NodeRow } from "@coop/protocol";
import { CliError } from "../cli-error.ts";
import type { CoopClient } from "../client.ts";
import type { HeldSight, JobRecord, MemberMonth } from "./record.ts";
import { MEMBERS } from "./workload.ts";
import type { DemoMember, Phase, Task } from "./workload.ts";

export type MemberClients = Readonly<Record<DemoMember, CoopClient>>;

export interface WorkDeps {
  readonly clients: MemberClients;
  readonly operator: CoopClient;
  /** Told now and then how far the jobs are. */
  readonly progress: (counts: {
    readonly waiting: number;
    readonly running: number;
    readonly ended: number;
  }) => void;
  readonly signal: AbortSignal;
}

/** A phase's jobs once all have ended. */
export interface PhaseResult {
  readonly jobs: readonly JobRecord[];
  readonly held: readonly HeldSight[];
  /** Most attempts seen at once, by node name. */
  readonly peak: ReadonlyMap<string, number>;
}

const LOOK_MS = 250;
const SUBMITTERS_PER_MEMBER = 4;
/** Waiting jobs whose placement is asked for at each look. */
const PLACEMENTS_PER_LOOK = 3;
const READERS = 8;
const LIST_LIMIT = 200;

/** Submits the tasks, each member theirs at the same time, and follows them until all have ended. */
export async function work(phase: Phase, tasks: readonly Task[], deps: WorkDeps): Promise<PhaseResult> {
  const submitted = new Map<string, Task>();
  const submitting = Promise.all(
    MEMBERS.map((member) => {
      const own = tasks.filter((task) => task.member === member);
      return inParallel(own, SUBMITTERS_PER_MEMBER, async (task) => {
        const job = await submit(deps.clients[member], phase, task);
        submitted.set(job.id, task);
      });
    }),
  );
  const following = follow(tasks.length, submitted, deps);
  const [, { views, held, peak }] = await Promise.all([submitting, following]);
  const jobs: JobRecord[] = [];
  await inParallel([...submitted], READERS, async ([id, { task, member }]) => {
    const job = views.get(id);
    if (job === undefined) throw new CliError("demo-failed", `Job ${id} is on nobody's list.`);
    const placement =
      job.attempts === 0 ? null : await deps.clients[member].get(`/v1/jobs/${id}/placement`, placementSchema);
    jobs.push({ phase, task, member, job, placement });
  });
  return { jobs: jobs.toSorted((a, b) => a.job.submittedAtMs - b.job.submittedAtMs), held, peak };
}

const submit = (client: CoopClient, phase: Phase, { task, privacy, request }: Task): Promise<JobView> =>
  client.post(
    "/v1/jobs",
    { request, band: phase === "mixed" ? "interactive" : "batch", metadata: { task, phase } },
    jobViewSchema,
    { "x-coop-privacy": privacy },
  );

interface Followed {
  readonly views: ReadonlyMap<string, JobView>;
  readonly held: readonly HeldSight[];
  readonly peak: ReadonlyMap<string, number>;
}

async function follow(
  expected: number,
  submitted: ReadonlyMap<string, Task>,
  deps: WorkDeps,
): Promise<Followed> {
  const views = new Map<string, JobView>();
  const held = new Map<string, HeldSight>();
  const peak = new Map<string, number>();
  for (;;) {
    const [lists, nodes] = await Promise.all([
      Promise.all(
        MEMBERS.map((member) => deps.clients[member].get(`/v1/jobs?limit=${LIST_LIMIT}`, jobListSchema)),
      ),
      deps.operator.get("/v1/nodes", nodeListSchema),
    ]);
    for (const job of lists.flatMap(({ data }) => data)) if (submitted.has(job.id)) views.set(job.id, job);
    notePeaks(peak, nodes.data);
    const jobs = [...views.values()];
    const ended = jobs.filter((job) => job.finishedAtMs !== null).length;
    const waiting = jobs.filter(({ state }) => state === "queued");
    deps.progress({ waiting: waiting.length, running: jobs.length - ended - waiting.length, ended });
    if (ended === expected) return { views, held: [...held.values()], peak };
    await Promise.all(
      waiting.slice(0, PLACEMENTS_PER_LOOK).map((job) => lookWhetherHeld(job, submitted, deps.clients, held)),
    );
    await pauseFor(LOOK_MS, undefined, { signal: deps.signal });
  }
}

function notePeaks(peak: Map<string, number>, nodes: readonly NodeRow[]): void {
  for (const { name, active } of nodes) peak.set(name, Math.max(peak.get(name) ?? 0, active));
}

async function lookWhetherHeld(
  job: JobView,
  submitted: ReadonlyMap<string, Task>,
  clients: MemberClients,
  held: Map<string, HeldSight>,
): Promise<void> {
  const task = submitted.get(job.id);
  if (task === undefined) return;
  const placement = await clients[task.member].get(`/v1/jobs/${job.id}/placement`, placementSchema);
  if (placement.decision.kind === "held") held.set(job.id, { job: job.id, task: task.task, placement });
}

/** What each member's month says. */
export function memberMonths(clients: MemberClients): Promise<MemberMonth[]> {
  return Promise.all(
    MEMBERS.map(async (member) => {
      const { usedTokens, heldTokens } = await clients[member].get("/v1/quota", quotaSchema);
      return { member, usedTokens, heldTokens };
    }),
  );
}

async function inParallel<T>(
  items: readonly T[],
  workers: number,
  handle: (item: T) => Promise<void>,
): Promise<void> {
  const waiting = items.values();
  await Promise.all(
    Array.from({ length: workers }, async () => {
      for (const item of waiting) await handle(item);
    }),
  );
}
