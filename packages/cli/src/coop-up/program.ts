import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { closeSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { StringDecoder } from "node:string_decoder";
import type { Environment } from "../home.ts";

const LIFELINE = pathToFileURL(join(import.meta.dirname, "..", "lifeline", "main.ts")).href;

export type Exit =
  | { readonly kind: "exited"; readonly code: number }
  | { readonly kind: "killed"; readonly signal: string }
  | { readonly kind: "not-started"; readonly message: string };

/** One run of a program. */
export interface Run {
  readonly ended: Promise<Exit>;
  /** Asks it to stop, asks again, and ends it when neither helps. Resolves when it has ended. */
  stop(): Promise<void>;
}

export interface RunOptions {
  readonly path: string;
  readonly args: readonly string[];
  readonly environment: Environment;
  /** Takes over: what the program writes to stderr goes there. */
  readonly logFile: number;
  readonly onLine: (line: string) => void;
  /** Wait after each request to stop, ms. */
  readonly graceMs: number;
}

/**
 * Starts a TypeScript program of this repository, in a process group of its own: Ctrl-C reaches the one that
 * started it only, which then stops what it started in order.
 */
export function runProgram({ path, args, environment, logFile, onLine, graceMs }: RunOptions): Run {
  const child = spawn(process.execPath, ["--import", LIFELINE, path, ...args], {
    env: { ...environment },
    stdio: ["ignore", "pipe", logFile, "ipc"],
    detached: true,
  });
  closeSync(logFile);
  if (child.stdout !== null) readLines(child.stdout, onLine);
  const ended = endOf(child);
  return { ended, stop: () => stop(child, ended, graceMs) };
}

function readLines(stream: NodeJS.ReadableStream, onLine: (line: string) => void): void {
  const decoder = new StringDecoder("utf8");
  let rest = "";
  stream.on("data", (bytes: Buffer) => {
    const lines = (rest + decoder.write(bytes)).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) onLine(line);
  });
}

async function endOf(child: ChildProcess): Promise<Exit> {
  try {
    await once(child, "exit");
  } catch (error) {
    return { kind: "not-started", message: String(error) };
  }
  if (child.signalCode !== null) return { kind: "killed", signal: child.signalCode };
  return { kind: "exited", code: child.exitCode ?? 0 };
}

async function stop(child: ChildProcess, ended: Promise<Exit>, graceMs: number): Promise<void> {
  for (const signal of ["SIGTERM", "SIGTERM", "SIGKILL"] as const) {
    if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) break;
    child.kill(signal);
    await Promise.race([ended, pause(graceMs)]);
  }
  await ended;
}

/** A wait that keeps no program alive. */
function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms).unref();
  });
}
