import { setTimeout as pauseFor } from "node:timers/promises";
import { jobListSchema, jobViewSchema, placementSchema, quotaSchema } from "@coop/protocol";
import type { JobView } from "@coop/protocol";
import { CliError } from "../cli-error.ts";
import type { CoopClient } from "../client.ts";
import type { HeldSight, JobRecord, MemberMonth } from "./record.ts";
import { MEMBERS } from "./workload.ts";
import type { DemoMember, Phase, Task } from "./workload.ts";

export type MemberClients = Readonly<Record<DemoMember, CoopClient>>;

export interface WorkDeps {
  readonly clients: MemberClients;
  /** Told now and then how far the jobs are. */
  readonly starting: (batch: Batch) => void;
  readonly progress: (counts: {
    readonly waiting: number;
    readonly running: number;
    readonly ended: number;
  }) => void;
  readonly signal: AbortSignal;
}

/** Jobs that are submitted together, each member theirs at the same time. */
export interface Batch {
  readonly phase: Phase;
  readonly tasks: readonly Task[];
  /** After the batch before it was accepted, ms. */
  readonly afterMs: number;
}

/** The jobs once all have ended. */
export interface WorkResult {
  readonly jobs: readonly JobRecord[];
  readonly held: readonly HeldSight[];
}

const LOOK_MS = 250;
const SUBMITTERS_PER_MEMBER = 4;
/** Waiting jobs whose placement is asked for at each look. */
const PLACEMENTS_PER_LOOK = 3;
const READERS = 8;
const LIST_LIMIT = 200;

interface Submitted {
  readonly phase: Phase;
  readonly task: Task;
}

/** Submits the batches one after the other and follows all their jobs until the last has ended. */
export async function work(batches: readonly Batch[], deps: WorkDeps): Promise<WorkResult> {
  const submitted = new Map<string, Submitted>();
  const expected = batches.reduce((sum, { tasks }) => sum + tasks.length, 0);
  const [{ views, held }] = await Promise.all([
    follow(expected, submitted, deps),
    submitAll(batches, submitted, deps),
  ]);
  const jobs: JobRecord[] = [];
  await inParallel(
    [...submitted],
    READERS,
    async ([
      id,
      {
        phase,
        task: { task, member },
      },
    ]) => {
      const job = views.get(id);
      if (job === undefined) throw new CliError("demo-failed", `Job ${id} is on nobody's list.`);
      const placement =
        job.attempts === 0
          ? null
          : await deps.clients[member].get(`/v1/jobs/${id}/placement`, placementSchema);
      jobs.push({ phase, task, member, job, placement });
    },
  );
  return { jobs: jobs.toSorted((a, b) => a.job.submittedAtMs - b.job.submittedAtMs), held };
}

async function submitAll(
  batches: readonly Batch[],
  submitted: Map<string, Submitted>,
  { clients, signal, starting }: WorkDeps,
): Promise<void> {
  for (const batch of batches) {
    const { phase, tasks, afterMs } = batch;
    await pauseFor(afterMs, undefined, { signal });
    starting(batch);
    await Promise.all(
      MEMBERS.map((member) => {
        const own = tasks.filter((task) => task.member === member);
        return inParallel(own, SUBMITTERS_PER_MEMBER, async (task) => {
          const job = await submit(clients[member], phase, task);
          submitted.set(job.id, { phase, task });
        });
      }),
    );
  }
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
}

async function follow(
  expected: number,
  submitted: ReadonlyMap<string, Submitted>,
  deps: WorkDeps,
): Promise<Followed> {
  const views = new Map<string, JobView>();
  const held = new Map<string, HeldSight>();
  for (;;) {
    const lists = await Promise.all(
      MEMBERS.map((member) => deps.clients[member].get(`/v1/jobs?limit=${LIST_LIMIT}`, jobListSchema)),
    );
    for (const job of lists.flatMap(({ data }) => data)) views.set(job.id, job);
    const jobs = [...views.values()];
    const ended = jobs.filter((job) => job.finishedAtMs !== null).length;
    const waiting = jobs.filter(({ state }) => state === "queued");
    deps.progress({ waiting: waiting.length, running: jobs.length - ended - waiting.length, ended });
    if (ended === expected) return { views, held: [...held.values()] };
    await Promise.all(
      waiting.slice(0, PLACEMENTS_PER_LOOK).map((job) => lookWhetherHeld(job, submitted, deps.clients, held)),
    );
    await pauseFor(LOOK_MS, undefined, { signal: deps.signal });
  }
}

async function lookWhetherHeld(
  job: JobView,
  submitted: ReadonlyMap<string, Submitted>,
  clients: MemberClients,
  held: Map<string, HeldSight>,
): Promise<void> {
  const task = submitted.get(job.id)?.task;
  if (task === undefined) return;
  const placement = await clients[task.member].get(`/v1/jobs/${job.id}/placement`, placementSchema);
  if (placement.decision.kind === "held") held.set(job.id, { job: job.id, task: task.task, placement });
}

/** What each member's month says. */
export function memberMonths(clients: MemberClients): Promise<MemberMonth[]> {
  return Promise.all(
    MEMBERS.map(async (member) => {
      return { ...(await clients[member].get("/v1/quota", quotaSchema)), member };
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
