import { setTimeout as pauseFor } from "node:timers/promises";
import { CliError } from "../cli-error.ts";
import { RefusedError } from "../client.ts";
import { plural, timeOfDay } from "../output.ts";
import type { Screen } from "../screen.ts";
import type { CommandContext } from "./context.ts";
import { asJson, jobTable, readJobs } from "./jobs.ts";
import type { JobsOptions, ListedJob } from "./jobs.ts";

export interface WatchContext extends CommandContext {
  /** Null where output is no terminal. */
  readonly screen: Screen | null;
  /** Ends the watch. */
  readonly signal: AbortSignal;
  /** Between two looks, ms. */
  readonly everyMs?: number;
}

const LOOK_EVERY_MS = 2_000;

/**
 * Shows the latest jobs until it is interrupted: on a terminal as a table that is drawn again, else, and as JSON,
 * a line for each job that is new or in another state. A server that goes away is waited for.
 * @throws CliError when the first look fails, or one is refused
 */
export async function watchJobs(context: WatchContext, options: JobsOptions): Promise<void> {
  const { signal, everyMs = LOOK_EVERY_MS } = context;
  const show = context.screen === null || context.json ? tellChanges(context) : drawTable(context, options);
  let away: string | null = null;
  try {
    for (let isFirst = true; ; isFirst = false) {
      const seen = await readJobs(context, options).catch((error: unknown) => {
        if (isFirst || !isAway(error)) throw error;
        if (away !== error.message) context.output.note(error.message);
        away = error.message;
        return null;
      });
      if (seen !== null) {
        away = null;
        show(seen);
      }
      await pauseFor(everyMs, undefined, { signal });
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

function isAway(error: unknown): error is CliError {
  if (error instanceof RefusedError) return error.status >= 500;
  return (
    error instanceof CliError && (error.code === "server-not-reachable" || error.code === "server-silent")
  );
}

type Show = (jobs: readonly ListedJob[]) => void;

function drawTable({ screen }: WatchContext, { all }: JobsOptions): Show {
  return (jobs) => {
    const running = jobs.filter(({ job }) => job.state === "running" || job.state === "leased").length;
    const waiting = jobs.filter(({ job }) => job.state === "queued").length;
    screen?.draw([
      `${timeOfDay(Date.now())}  the latest ${plural(jobs.length, "job")}: ${running} running, ${waiting} waiting; Ctrl-C ends`,
      "",
      ...jobTable(jobs, all),
    ]);
  };
}

function tellChanges({ output, json }: WatchContext): Show {
  let before = new Map<string, string>();
  return (jobs) => {
    const changed = jobs.filter(({ job }) => before.get(job.id) !== job.state);
    for (const listed of changed.toReversed())
      output.line(json ? JSON.stringify(asJson(listed)) : changeLine(listed));
    before = new Map(jobs.map(({ job }) => [job.id, job.state]));
  };
}

function changeLine({ memberName, job }: ListedJob): string {
  const words = [
    timeOfDay(Date.now()),
    job.id,
    ...(memberName === null ? [] : [memberName]),
    job.state,
    ...(job.nodeName === null ? [] : [`on ${job.nodeName} with ${job.model ?? "?"}`]),
    ...(job.error === null ? [] : [`(${job.error.code})`]),
  ];
  return words.join("  ");
}
