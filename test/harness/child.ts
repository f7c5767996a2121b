import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";

/** A program that a test started and ends by its id. */
export interface Child {
  readonly pid: number;
  /** Resolves with the match once its output fits; rejects when the program ends before, or says nothing of it for half a minute. */
  line(pattern: RegExp): Promise<RegExpExecArray>;
  /** Everything it wrote so far. */
  output(): string;
  running(): boolean;
  /** The exit code, once it has ended; null when a signal ended it. */
  readonly ended: Promise<number | null>;
  /** SIGKILL: no chance to tidy up. */
  kill9(): Promise<void>;
  /** SIGSTOP and SIGCONT. */
  freeze(): void;
  thaw(): void;
  /** SIGTERM, and resolves with the exit code. */
  stop(): Promise<number | null>;
}

const MOST_SILENCE_MS = 30_000;

/** Starts a TypeScript program with the Node that runs the tests. */
export function startChild(
  program: string,
  args: readonly string[],
  environment: Readonly<Record<string, string>>,
): Child {
  const spawned = spawn(process.execPath, [program, ...args], {
    env: {
      PATH: process.env["PATH"] ?? "",
      NODE_COMPILE_CACHE: process.env["NODE_COMPILE_CACHE"] ?? "",
      HOME: "/nonexistent",
      ...environment,
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let text = "";
  const watchers = new Set<() => void>();
  const onText = (chunk: Buffer): void => {
    text += chunk.toString("utf8");
    for (const watch of watchers) watch();
  };
  spawned.stdout.on("data", onText);
  spawned.stderr.on("data", onText);
  const ended = once(spawned, "exit");
  const running = (): boolean => spawned.exitCode === null && spawned.signalCode === null;
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (running()) spawned.kill(signal);
    await ended;
  };
  return {
    pid: pidOf(spawned),
    output: () => text,
    running,
    ended: ended.then(() => spawned.exitCode),
    line: (pattern) =>
      new Promise((resolve, reject) => {
        const giveUp = (why: string): void => {
          watchers.delete(look);
          clearTimeout(silence);
          reject(new Error(`${program} ${why} before it printed ${String(pattern)}:\n${text}`));
        };
        const look = (): void => {
          const match = pattern.exec(text);
          if (!match) return;
          watchers.delete(look);
          clearTimeout(silence);
          resolve(match);
        };
        const silence = setTimeout(() => giveUp("was waited for half a minute"), MOST_SILENCE_MS);
        watchers.add(look);
        look();
        void ended.then(() => giveUp("ended"));
      }),
    kill9: () => end("SIGKILL"),
    freeze: () => void spawned.kill("SIGSTOP"),
    thaw: () => void spawned.kill("SIGCONT"),
    async stop() {
      await end("SIGTERM");
      return spawned.exitCode;
    },
  };
}

function pidOf(spawned: ChildProcess): number {
  if (spawned.pid === undefined) throw new Error("the program did not start");
  return spawned.pid;
}
