import { setTimeout as pauseFor } from "node:timers/promises";
import { CliError } from "../cli-error.ts";
import type { Environment } from "../home.ts";
import { shorten } from "../output.ts";
import { runProgram } from "./program.ts";
import type { Exit, Run } from "./program.ts";
import type { ProgramLog } from "./program-log.ts";

/** A program to keep running; `T` is what it says when it is ready. */
export interface ProgramSpec<T> {
  /** In messages, such as "server". */
  readonly name: string;
  readonly path: string;
  /** How to start it, given what it said when it was ready before; null the first time. */
  readonly launch: (before: T | null) => {
    readonly args: readonly string[];
    readonly environment: Environment;
  };
  /** What its stdout so far says; null while it is not ready. */
  readonly ready: (lines: readonly string[]) => T | null;
  readonly readyLimitMs: number;
  readonly graceMs: number;
}

export interface Supervised<T> {
  readonly ready: T;
  stop(): Promise<void>;
}

export interface SuperviseDeps {
  readonly log: ProgramLog;
  readonly say: (line: string) => void;
  /** Gives up a start that is under way. */
  readonly signal: AbortSignal;
}

const FIRST_DELAY_MS = 500;
const LONGEST_DELAY_MS = 30_000;
/** A program that ran this long had no trouble starting, ms. */
const STEADY_MS = 60_000;
/** Of a line of a program's log, what is shown, characters. */
const LONGEST_WORDS = 300;

/**
 * Starts a program, waits until it is ready, and starts it again whenever it ends by itself.
 * @throws CliError `program-failed` with its last words when it does not become ready
 */
export async function supervise<T>(spec: ProgramSpec<T>, deps: SuperviseDeps): Promise<Supervised<T>> {
  const stopping = new AbortController();
  let current = start(spec, null, deps);
  const ready = await becomeReady(spec, current, deps.log, deps.signal);

  const keepRunning = async (): Promise<void> => {
    let before = ready;
    let delayMs = FIRST_DELAY_MS;
    let startedMs = performance.now();
    for (;;) {
      const exit = await current.run.ended;
      if (stopping.signal.aborted) return;
      if (performance.now() - startedMs > STEADY_MS) delayMs = FIRST_DELAY_MS;
      const words = await lastWords(deps.log);
      deps.say(
        `${spec.name} ended (${describeExit(exit)}); starting it again in ${delayMs / 1000} s${words}`,
      );
      await pause(delayMs, stopping.signal);
      if (stopping.signal.aborted) return;
      delayMs = Math.min(LONGEST_DELAY_MS, delayMs * 2);
      startedMs = performance.now();
      current = start(spec, before, deps);
      const outcome = await becomeReady(spec, current, deps.log, stopping.signal).catch((error: unknown) => {
        if (error instanceof CliError) deps.say(error.message);
        else if (!stopping.signal.aborted) throw error;
        return null;
      });
      if (outcome === null) continue;
      before = outcome;
      deps.say(`${spec.name} runs again`);
    }
  };
  const running = keepRunning();
  return {
    ready,
    async stop() {
      stopping.abort();
      await current.run.stop();
      await running;
    },
  };
}

/** One run and what it says on stdout. */
interface Started {
  readonly run: Run;
  readonly lines: string[];
  onLine: () => void;
}

/** Of stdout, what is looked at for readiness, lines. */
const MOST_LINES = 100;

function start<T>(spec: ProgramSpec<T>, before: T | null, { log }: SuperviseDeps): Started {
  const lines: string[] = [];
  const run = runProgram({
    path: spec.path,
    ...spec.launch(before),
    logFile: log.open(),
    graceMs: spec.graceMs,
    onLine: (line) => {
      if (lines.length >= MOST_LINES) return;
      lines.push(line);
      started.onLine();
    },
  });
  const started: Started = { run, lines, onLine: () => undefined };
  return started;
}

async function becomeReady<T>(
  spec: ProgramSpec<T>,
  started: Started,
  log: ProgramLog,
  signal: AbortSignal,
): Promise<T> {
  const { run, lines } = started;
  const said = new Promise<T>((resolve) => {
    started.onLine = () => {
      const ready = spec.ready(lines);
      if (ready !== null) resolve(ready);
    };
  });
  const settled = new AbortController();
  const gaveUp = pause(spec.readyLimitMs, AbortSignal.any([signal, settled.signal]));
  const first = await Promise.race([
    said.then((ready) => ({ kind: "ready" as const, ready })),
    run.ended.then((exit) => ({ kind: "ended" as const, exit })),
    gaveUp.then(() => ({ kind: "gave-up" as const })),
  ]);
  settled.abort();
  if (first.kind === "ready") return first.ready;
  await run.stop();
  signal.throwIfAborted();
  const what =
    first.kind === "ended"
      ? `ended before it was ready (${describeExit(first.exit)})`
      : `was not ready within ${spec.readyLimitMs / 1000} s`;
  throw new CliError(
    "program-failed",
    `The ${spec.name} ${what}.${await lastWords(log)}\nIts log: ${log.path}`,
  );
}

const lastWords = async (log: ProgramLog): Promise<string> =>
  (await log.tail()).map((line) => `\n  ${shorten(line, LONGEST_WORDS)}`).join("");

function describeExit(exit: Exit): string {
  switch (exit.kind) {
    case "exited":
      return `exit code ${exit.code}`;
    case "killed":
      return exit.signal;
    case "not-started":
      return exit.message;
  }
}

/** Resolves when the time is over or the signal aborts. */
async function pause(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await pauseFor(ms, undefined, { signal });
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}
