import { jobListSchema, jobViewSchema, memberListSchema } from "@coop/protocol";
import type { JobView } from "@coop/protocol";
import { MEMBER_COLUMN, count, renderTable, seconds, timeOfDay } from "../output.ts";
import type { CommandContext } from "./context.ts";

export interface JobsOptions {
  /** Every member's, for operators. */
  readonly all: boolean;
  readonly limit: number;
}

export interface ListedJob {
  readonly memberName: string | null;
  readonly job: JobView;
}

/** Lists jobs, newest first. */
export async function listJobs(context: CommandContext, options: JobsOptions): Promise<void> {
  const { output } = context;
  const { all } = options;
  const jobs = await readJobs(context, options);
  if (context.json) {
    output.json(jobs.map(asJson));
    return;
  }
  if (jobs.length === 0) {
    output.line(`No jobs yet. Make one: ${context.hint('ask "Why is the sky blue?"')}`);
    return;
  }
  for (const line of jobTable(jobs, all)) output.line(line);
}

/** The latest jobs, newest first. */
export async function readJobs(
  context: CommandContext,
  { all, limit }: JobsOptions,
): Promise<readonly ListedJob[]> {
  const found = all ? await everyMembersJobs(context, limit) : await ownJobs(context, limit);
  return found.toSorted((a, b) => b.job.submittedAtMs - a.job.submittedAtMs).slice(0, limit);
}

export const asJson = ({ memberName, job }: ListedJob): object =>
  memberName === null ? job : { memberName, ...job };

async function ownJobs({ client }: CommandContext, limit: number): Promise<ListedJob[]> {
  const { data } = await client.get(`/v1/jobs?limit=${limit}`, jobListSchema);
  return data.map((job) => ({ memberName: null, job }));
}

async function everyMembersJobs({ client }: CommandContext, limit: number): Promise<ListedJob[]> {
  const { data: members } = await client.get("/admin/members", memberListSchema);
  const lists = await Promise.all(
    members.map(async ({ id, name }) => {
      const { data } = await client.get(
        `/v1/jobs?limit=${limit}&member=${encodeURIComponent(id)}`,
        jobListSchema,
      );
      return data.map((job) => ({ memberName: name, job }));
    }),
  );
  return lists.flat();
}

export function jobTable(jobs: readonly ListedJob[], all: boolean): string[] {
  const columns = [
    { heading: "JOB" },
    ...(all ? [MEMBER_COLUMN] : []),
    { heading: "AT" },
    { heading: "ASKED", flexible: true as const },
    { heading: "STATE" },
    { heading: "NODE", flexible: true as const },
    { heading: "TOKENS", align: "right" as const },
    { heading: "TOOK", align: "right" as const },
  ];
  const rows = jobs.map(({ memberName, job }) => [
    job.id,
    ...(all ? [memberName ?? ""] : []),
    timeOfDay(job.submittedAtMs),
    job.requested,
    job.refundedAtMs === null ? job.state : `${job.state}, refunded`,
    job.nodeName ?? "",
    count((job.promptTokens ?? 0) + job.outputTokens),
    job.finishedAtMs === null ? "" : seconds((job.finishedAtMs - job.submittedAtMs) / 1000),
  ]);
  return renderTable(columns, rows);
}

/** Cancels a job; one that has ended stays as it is. */
export async function cancelJob({ client, output, json }: CommandContext, id: string): Promise<void> {
  const response = await client.send("DELETE", `/v1/jobs/${encodeURIComponent(id)}`);
  const job = jobViewSchema.parse(await response.json());
  if (json) output.json(job);
  else
    output.line(
      job.state === "cancelled"
        ? `${job.id} is cancelled; charged ${count(job.chargedTokens)} tokens.`
        : `${job.id} had ended before: ${job.state}.`,
    );
}
