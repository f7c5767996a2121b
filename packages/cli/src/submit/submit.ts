import { setTimeout as pauseFor } from "node:timers/promises";
import { quotaSchema } from "@coop/protocol";
import { CliError } from "../cli-error.ts";
import type { CommandContext } from "../commands/context.ts";
import { plural, seconds } from "../output.ts";
import type { Screen } from "../screen.ts";
import type { BatchLine } from "./batch-file.ts";
import type { LineEnd } from "./journal.ts";
import { createPace } from "./pace.ts";
import type { PaceDeps } from "./pace.ts";
import { watchProgress } from "./progress-watch.ts";
import { lineEnd, resultLine } from "./result-line.ts";
import { openResults } from "./results.ts";
import { openRun, readBatchFile } from "./run-files.ts";
import type { OpenRun, RunPlace } from "./run-files.ts";
import { runLine } from "./run-line.ts";
import { lockRun } from "./run-lock.ts";
import type { RunOptions } from "./run.ts";
import { failureSentence, summarize, summaryTable } from "./summary.ts";

export interface SubmitOptions {
  readonly place: RunPlace;
  readonly options: RunOptions;
  /** Most jobs at once. */
  readonly concurrency: number;
  /** Begin another run, whose results replace those there. */
  readonly again: boolean;
  /** What the user types to go on with the run. */
  readonly resumeCommand: string;
}

export interface SubmitContext extends CommandContext {
  /** Null where output is no terminal. */
  readonly screen: Screen | null;
  /** Gives the run up; it can be resumed. */
  readonly signal: AbortSignal;
}

/**
 * Runs every line of a batch file as a detached job and writes the answers in the file's order. Started again, it
 * goes on where it stopped, however it stopped.
 * @throws CliError `bad-input` before anything ran, `lines-failed` after all did
 */
export async function submitBatch(context: SubmitContext, options: SubmitOptions): Promise<void> {
  const { output, json } = context;
  const { place } = options;
  const summary = summarize(await carryOut(context, options).catch(withoutTrace));
  if (json) output.json({ file: place.file, results: place.results, ...summary });
  else {
    output.line();
    for (const line of summaryTable(summary)) output.line(line);
    output.line(`\nResults: ${place.names.results}`);
  }
  if (summary.failed === 0) return;
  throw new CliError("lines-failed", `${failureSentence(summary)} Each says why in ${place.names.results}.`);
}

/** A disk that is full, or a folder that is not there, in words. */
function withoutTrace(error: unknown): never {
  if (error instanceof Error && "syscall" in error)
    throw new CliError("file-unwritable", `The results cannot be written: ${error.message}.`, error);
  throw error;
}

/** @returns how each line ended, in order */
async function carryOut(context: SubmitContext, options: SubmitOptions): Promise<readonly LineEnd[]> {
  const { place } = options;
  const batch = await readBatchFile(place, options.options.model);
  using closing = new DisposableStack();
  closing.use(lockRun(`${place.results}.lock`, place.names.results));
  const open = await openRun(place, batch, options.options, options.again);
  const { lines, kept, journal } = open;
  closing.use(journal);
  const ends = rememberedEnds(open);
  const results = closing.use(
    openResults(place.results, kept, (index) => {
      const end = ends.get(index);
      const line = lines[index];
      if (end !== undefined && line !== undefined) journal.append({ kind: "ended", line: line.number, end });
    }),
  );
  if (kept.lines === lines.length)
    context.output.note(`${place.names.file} is done already; --again runs it anew.`);
  else {
    if (kept.lines > 0)
      context.output.note(`going on: ${kept.lines} of ${plural(lines.length, "line")} are done`);
    await workOff(context, options, open, ends, (index, result) => results.put(index, result));
  }
  return lines.flatMap((_, index) => ends.get(index) ?? []);
}

/** How the lines ended whose results are kept, by index. */
function rememberedEnds({ lines, kept, memory }: OpenRun): Map<number, LineEnd> {
  const ends = new Map<number, LineEnd>();
  for (const [index, { number }] of lines.slice(0, kept.lines).entries()) {
    const end = memory?.ended.get(number);
    if (end !== undefined) ends.set(index, end);
  }
  return ends;
}

/** Runs what is left, shows how far it is, and says how to go on when it is given up. */
async function workOff(
  context: SubmitContext,
  options: SubmitOptions,
  open: OpenRun,
  ends: Map<number, LineEnd>,
  onResult: (index: number, result: string) => void,
): Promise<void> {
  const { client, output } = context;
  const total = open.lines.length;
  let inFlight = 0;
  using progress = watchProgress(context, () => {
    const failed = [...ends.values()].filter(({ failure }) => failure !== null).length;
    return { total, ended: ends.size, failed, inFlight };
  });
  try {
    // A wrong key or address is told before anything runs.
    await client.get("/v1/quota", quotaSchema);
    await runLines(context, options.concurrency, open, {
      began: () => void (inFlight += 1),
      ended: (index, end, result) => {
        inFlight -= 1;
        ends.set(index, end);
        onResult(index, result);
      },
    });
  } catch (error) {
    progress.stop();
    const going = inFlight === 0 ? "" : ` ${plural(inFlight, "job")} may still run in the co-op.`;
    const done = `${ends.size} of ${plural(total, "line")} done`;
    output.note(`Stopped with ${done}.${going} Go on: ${options.resumeCommand}`);
    throw error;
  }
}

interface LineEvents {
  readonly began: () => void;
  readonly ended: (index: number, end: LineEnd, result: string) => void;
}

/** Several lines at once, in the file's order; the first that fails for good stops the others. */
async function runLines(
  { client, output, signal }: SubmitContext,
  concurrency: number,
  { run, lines, kept, memory, journal }: OpenRun,
  events: LineEvents,
): Promise<void> {
  const failing = new AbortController();
  const stopped = AbortSignal.any([signal, failing.signal]);
  const pause = (ms: number): Promise<void> => pauseFor(ms, undefined, { signal: stopped });
  const nowMs = (): number => performance.now();
  const paceDeps: PaceDeps = {
    nowMs,
    pause,
    onTrouble: (why, waitMs) => output.note(`${why.message} Trying again in ${seconds(waitMs / 1000)}.`),
  };
  const deps = { client, run, submitting: createPace(paceDeps), looking: createPace(paceDeps), pause, nowMs };
  const carry = async (index: number, line: BatchLine): Promise<void> => {
    events.began();
    const outcome = await runLine(
      {
        ...deps,
        onSubmitted: (submitted) => journal.append({ kind: "submitted", line: line.number, ...submitted }),
      },
      line,
      memory?.submitted.get(line.number) ?? null,
    );
    events.ended(index, lineEnd(outcome), resultLine(run, line.number, line.customId, outcome));
  };
  const waiting = lines.entries().drop(kept.lines);
  const worker = async (): Promise<void> => {
    for (const [index, line] of waiting) {
      stopped.throwIfAborted();
      await carry(index, line);
    }
  };
  const workers = Array.from({ length: concurrency }, () =>
    worker().catch((error: unknown) => failing.abort(error)),
  );
  await Promise.all(workers);
  stopped.throwIfAborted();
}
