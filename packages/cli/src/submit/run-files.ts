import { randomBytes } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { CliError } from "../cli-error.ts";
import { count, plural } from "../output.ts";
import { readBatch } from "./batch-file.ts";
import type { BatchLine, Flaw } from "./batch-file.ts";
import { beginJournal, continueJournal, recall } from "./journal.ts";
import type { Journal, Recollection } from "./journal.ts";
import { keptResults } from "./results.ts";
import type { KeptResults } from "./results.ts";
import { differenceOf, identifyRun } from "./run.ts";
import type { Run, RunOptions } from "./run.ts";

/** Opening the files of a run: what to do, and what is done already. */

export interface RunPlace {
  /** As the user wrote them, for messages. */
  readonly names: { readonly file: string; readonly results: string };
  /** Absolute. */
  readonly file: string;
  readonly results: string;
}

export interface OpenRun {
  readonly run: Run;
  readonly lines: readonly BatchLine[];
  readonly kept: KeptResults;
  /** What an earlier start left; null on the first. */
  readonly memory: Recollection | null;
  readonly journal: Journal;
}

/** Largest batch file, bytes: it is held in memory, so that it cannot change while it runs. */
const LARGEST_FILE = 512 * 2 ** 20;
const MOST_FLAWS_SHOWN = 20;

/** A batch file that is sound. */
export interface BatchFile {
  readonly bytes: Uint8Array;
  readonly lines: readonly BatchLine[];
}

/**
 * Reads and checks a whole batch file.
 * @param model takes the place of the model in every line
 * @throws CliError `bad-input`
 */
export async function readBatchFile(place: RunPlace, model: string | null): Promise<BatchFile> {
  const bytes = await readWhole(place);
  const batch = readBatch(bytes, model);
  if (batch.kind === "invalid") throw flawed(place, batch.flaws);
  return { bytes, lines: batch.lines };
}

/**
 * Finds out where a batch file's run stands.
 * @param anew begins another run, whose results replace those there
 * @throws CliError `bad-input` when the results belong to something else
 */
export async function openRun(
  place: RunPlace,
  { bytes, lines }: BatchFile,
  options: RunOptions,
  anew: boolean,
): Promise<OpenRun> {
  const wanted = identifyRun(bytes, place.results, options, anew ? randomBytes(16).toString("hex") : "");
  const path = `${place.results}.journal`;
  const memory = anew ? null : await recall(path);
  if (memory === null) {
    if (!anew) await refuseForeign(place);
    return { run: wanted, lines, kept: { lines: 0, bytes: 0 }, memory, journal: beginJournal(path, wanted) };
  }
  const difference = differenceOf(memory.run, wanted);
  if (difference !== null) {
    throw new CliError(
      "bad-input",
      `${place.names.results} belongs to another run of ${place.names.file}: ${difference}. ` +
        "Name other results with --out, or begin anew and replace them with --again.",
    );
  }
  const isFinal = (index: number, customId: string): boolean => {
    const line = lines[index];
    return line?.customId === customId && memory.ended.has(line.number);
  };
  const kept =
    (await sizeOf(place.results)) > 0 ? await keptResults(place.results, isFinal) : { lines: 0, bytes: 0 };
  return { run: memory.run, lines, kept, memory, journal: continueJournal(path, memory) };
}

async function readWhole({ file, names }: RunPlace): Promise<Uint8Array> {
  try {
    const { size } = await stat(file);
    if (size <= LARGEST_FILE) return await readFile(file);
    throw new CliError(
      "bad-input",
      `${names.file} has ${size} bytes; at most ${LARGEST_FILE} are read. Split it.`,
    );
  } catch (error) {
    if (error instanceof CliError || !(error instanceof Error)) throw error;
    const reason = "code" in error && error.code === "ENOENT" ? "there is no such file" : error.message;
    throw new CliError("bad-input", `${names.file} cannot be read: ${reason}.`, error);
  }
}

function flawed({ names }: RunPlace, flaws: readonly Flaw[]): CliError {
  const shown = flaws
    .slice(0, MOST_FLAWS_SHOWN)
    .map(
      ({ line, field, message }) => `${names.file}:${line}: ${field === null ? "" : `${field}: `}${message}`,
    );
  const more = flaws.length - shown.length;
  return new CliError(
    "bad-input",
    [
      ...shown,
      ...(more === 0 ? [] : [`and ${count(more)} more`]),
      `${plural(flaws.length, "error")}; nothing was submitted.`,
    ].join("\n"),
  );
}

/** Results that no journal tells of may be anybody's. */
async function refuseForeign({ results, names }: RunPlace): Promise<void> {
  if ((await sizeOf(results)) === 0) return;
  throw new CliError(
    "bad-input",
    `${names.results} is there already, and no journal beside it says from which run. ` +
      "Move it away, name other results with --out, or replace them with --again.",
  );
}

/** 0 for a file that is not there. */
async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return 0;
    throw error;
  }
}
