import {
  appendFileSync,
  closeSync,
  fdatasyncSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  renameSync,
} from "node:fs";
import { dirname } from "node:path";
import { z } from "zod";
import { CliError } from "../cli-error.ts";
import { readIfThere } from "../home.ts";
import { runSchema } from "./run.ts";
import type { Run } from "./run.ts";

/**
 * What a run remembers beside its results: a file that only grows, one JSON record a line. J1: its first record,
 * the run, is there from its first moment. J2: a record that a crash tore, and all behind it, is cut off when
 * the file is opened again; the idempotency keys make good for what is lost. J3: a line's end is written here
 * before its result is written to the results.
 */

const count = z.number().int().nonnegative();
const place = { node: z.string().nullable(), model: z.string().nullable(), tier: z.string().nullable() };

/** How a line ended, for the summary. */
const lineEndSchema = z.object({
  /** Null for a line that the co-op refused. */
  job: z.string().nullable(),
  /** Null when it succeeded, else the code of what went wrong. */
  failure: z.string().nullable(),
  ...place,
  promptTokens: count,
  outputTokens: count,
});
export type LineEnd = z.infer<typeof lineEndSchema>;

const headSchema = z.object({ kind: z.literal("run"), version: z.literal(1), run: runSchema });
const recordSchema = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("submitted"), line: count, round: count, job: z.string() }),
  z.object({ kind: z.literal("ended"), line: count, end: lineEndSchema }),
]);
export type JournalRecord = z.infer<typeof recordSchema>;

/** A line's latest job. */
export interface SubmittedLine {
  readonly job: string;
  readonly round: number;
}

/** What a journal tells of its run. */
export interface Recollection {
  readonly run: Run;
  readonly submitted: ReadonlyMap<number, SubmittedLine>;
  readonly ended: ReadonlyMap<number, LineEnd>;
  /** Up to here the file is whole, bytes. */
  readonly wholeBytes: number;
}

export interface Journal extends Disposable {
  append(record: JournalRecord): void;
}

/** At most this much is lost when the machine itself goes down, ms. */
const SYNC_EVERY_MS = 1_000;

/**
 * What the journal at a path tells; null when there is none.
 * @throws CliError `bad-input` when the file is something else
 */
export async function recall(path: string): Promise<Recollection | null> {
  const text = await readIfThere(path);
  if (text === null) return null;
  const lines = text.split("\n");
  lines.pop();
  const head = headSchema.safeParse(parse(lines[0] ?? ""));
  if (!head.success) {
    throw new CliError(
      "bad-input",
      `${path} is no journal of this version of coop. Move it away.`,
      head.error,
    );
  }
  const submitted = new Map<number, SubmittedLine>();
  const ended = new Map<number, LineEnd>();
  let wholeBytes = Buffer.byteLength(`${lines[0] ?? ""}\n`);
  for (const line of lines.slice(1)) {
    const { data: record } = recordSchema.safeParse(parse(line));
    if (record === undefined) break;
    wholeBytes += Buffer.byteLength(`${line}\n`);
    if (record.kind === "ended") ended.set(record.line, record.end);
    else submitted.set(record.line, { job: record.job, round: record.round });
  }
  return { run: head.data.run, submitted, ended, wholeBytes };
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** Begins a journal, in place of one that may be there. */
export function beginJournal(path: string, run: Run): Journal {
  const fresh = `${path}.new`;
  const file = openSync(fresh, "w", 0o600);
  appendFileSync(file, `${JSON.stringify({ kind: "run", version: 1, run })}\n`);
  fsyncSync(file);
  renameSync(fresh, path);
  syncFolder(dirname(path));
  return journalOn(file);
}

/** Goes on with a journal. */
export function continueJournal(path: string, { wholeBytes }: Recollection): Journal {
  const file = openSync(path, "a");
  ftruncateSync(file, wholeBytes);
  return journalOn(file);
}

function journalOn(file: number): Journal {
  let syncedMs = performance.now();
  return {
    append(record) {
      appendFileSync(file, `${JSON.stringify(record)}\n`);
      const nowMs = performance.now();
      if (nowMs - syncedMs < SYNC_EVERY_MS) return;
      fdatasyncSync(file);
      syncedMs = nowMs;
    },
    [Symbol.dispose]() {
      fdatasyncSync(file);
      closeSync(file);
    },
  };
}

/** A file's name is safe only once its folder is. */
function syncFolder(path: string): void {
  const folder = openSync(path, "r");
  fsyncSync(folder);
  closeSync(folder);
}
