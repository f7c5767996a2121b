import { setTimeout as pauseFor } from "node:timers/promises";
import { jobListSchema, placementSchema } from "@coop/protocol";
import { CliError } from "../cli-error.ts";
import { seconds } from "../output.ts";
import type { CommandContext } from "./context.ts";
import { decisionSentence } from "./explain.ts";

const LOOK_UP_PATIENCE_MS = 5_000;
/** Of the caller's jobs, so many of the newest are looked at for the one that waits. */
const NEWEST_JOBS = 20;

/**
 * Tells beside the result, once, why there is no answer yet. Never rejects for a server that does not say.
 * @param job the id of the job that is waited for; null until the server has said it
 * @param afterMs how long nothing must have happened
 * @param signal aborts when something happens
 */
export async function tellWait(
  context: CommandContext,
  job: () => string | null,
  afterMs: number,
  signal: AbortSignal,
): Promise<void> {
  try {
    await pauseFor(afterMs, undefined, { signal });
  } catch (error) {
    if (signal.aborted) return;
    throw error;
  }
  const why = await whyItWaits(context, job()).catch((error: unknown) => {
    if (error instanceof CliError) return `Why is not known: ${error.message}`;
    throw error;
  });
  if (!signal.aborted) context.output.note(`Nothing yet after ${seconds(afterMs / 1000)}. ${why}`);
}

async function whyItWaits(context: CommandContext, told: string | null): Promise<string> {
  const job = told ?? (await newestWaiting(context));
  if (job === null) return "The server has not taken it yet.";
  const path = `/v1/jobs/${encodeURIComponent(job)}/placement`;
  return decisionSentence(await context.client.get(path, placementSchema, LOOK_UP_PATIENCE_MS));
}

/** The server keeps its headers back for a while, and the job's id with them: the job is in the list before. */
async function newestWaiting({ client }: CommandContext): Promise<string | null> {
  const { data } = await client.get(`/v1/jobs?limit=${NEWEST_JOBS}`, jobListSchema, LOOK_UP_PATIENCE_MS);
  const waiting = data
    .filter(({ finishedAtMs, attachment }) => finishedAtMs === null && attachment === "attached")
    .toSorted((a, b) => b.submittedAtMs - a.submittedAtMs);
  return waiting[0]?.id ?? null;
}
