import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createProgramLog } from "./program-log.ts";
import { supervise } from "./supervise.ts";
import type { ProgramSpec } from "./supervise.ts";

let folder: string;
/** Programs that a test started, by process id. */
let pids: number[];
let said: string[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "coop-supervise-"));
  pids = [];
  said = [];
});
afterEach(async () => {
  const left = pids.filter(isAlive);
  for (const pid of left) process.kill(pid, "SIGKILL");
  await rm(folder, { recursive: true });
  expect(left, "programs left running").toEqual([]);
});

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ESRCH") return false;
    throw error;
  }
}

const READY = `process.stdout.write("ready " + process.pid + "\\n");`;
const STAY = "setInterval(() => {}, 1000);";

async function program(
  code: string,
  changes: Partial<ProgramSpec<number>> = {},
): Promise<ProgramSpec<number>> {
  const path = join(folder, "program.mjs");
  await writeFile(path, code);
  return {
    name: "test program",
    path,
    launch: (before) => ({ args: [String(before)], environment: { PATH: process.env["PATH"] } }),
    ready: (lines) => {
      const pid = Number(/^ready (\d+)$/.exec(lines.at(-1) ?? "")?.[1] ?? 0);
      if (pid === 0) return null;
      pids.push(pid);
      return pid;
    },
    readyLimitMs: 10_000,
    graceMs: 5_000,
    ...changes,
  };
}

async function start(spec: ProgramSpec<number>, signal: AbortSignal = new AbortController().signal) {
  const log = await createProgramLog(join(folder, "logs", "test.log"));
  return await supervise(spec, { log, say: (line) => said.push(line), signal });
}

describe("a supervised program", () => {
  it("runs once it is ready, and no longer once it is stopped", async () => {
    const running = await start(await program(READY + STAY));
    expect(isAlive(running.ready)).toBe(true);
    await running.stop();
    expect(isAlive(running.ready)).toBe(false);
    expect(said).toEqual([]);
  });

  it("that ends before it is ready fails with its last words", async () => {
    const code = `process.stderr.write('{"level":30}\\nport 7070 is in use\\n'); process.exitCode = 3;`;
    await expect(start(await program(code))).rejects.toMatchObject({
      code: "program-failed",
      message: expect.stringMatching(
        /test program ended before it was ready \(exit code 3\)\.\n {2}port 7070 is in use\nIts log: .*test\.log/,
      ),
    });
  });

  it("that never gets ready is ended", async () => {
    const code = `process.stderr.write(String(process.pid)); ${STAY}`;
    const failed = await start(await program(code, { readyLimitMs: 500 })).then(() => "", String);
    expect(failed).toMatch(/was not ready within 0\.5 s/);
    pids.push(Number(/\n {2}(\d+)\n/.exec(failed)?.[1]));
  });

  it("is ended when its start is given up", async () => {
    const stop = new AbortController();
    const code = `process.stdout.write("pid " + process.pid + "\\n"); ${STAY}`;
    const seen = Promise.withResolvers<number>();
    const spec = await program(code, {
      ready: (lines) => {
        seen.resolve(Number(lines[0]?.slice(4)));
        return null;
      },
    });
    const starting = start(spec, stop.signal);
    pids.push(await seen.promise);
    stop.abort(new Error("enough"));
    await expect(starting).rejects.toThrow("enough");
  });

  it("is started again when it dies, knowing what it said before", async () => {
    const code = `process.stderr.write("before: " + process.argv[2] + "\\n"); ${READY} ${STAY}`;
    const running = await start(await program(code));
    process.kill(running.ready, "SIGKILL");
    await vi.waitFor(() => expect(said).toContain("test program runs again"), { timeout: 10_000 });
    await running.stop();
    expect(said[0]).toBe("test program ended (SIGKILL); starting it again in 0.5 s\n  before: null");
    expect(await readFile(join(folder, "logs", "test.log"), "utf8")).toBe(
      `before: null\nbefore: ${running.ready}\n`,
    );
  });

  it("that does not listen is killed", async () => {
    const spec = await program(`process.on("SIGTERM", () => {}); ${READY} ${STAY}`, { graceMs: 100 });
    const running = await start(spec);
    await running.stop();
    expect(isAlive(running.ready)).toBe(false);
  });

  it("does not outlive the one that started it", async () => {
    await writeFile(join(folder, "program.mjs"), READY + STAY);
    const parent = join(folder, "parent.mjs");
    await writeFile(
      parent,
      `import { openSync } from "node:fs";
       import { runProgram } from ${JSON.stringify(join(import.meta.dirname, "program.ts"))};
       runProgram({ path: ${JSON.stringify(join(folder, "program.mjs"))}, args: [], environment: {}, graceMs: 1000,
         logFile: openSync(${JSON.stringify(join(folder, "log"))}, "a"), onLine: (line) => process.stdout.write(line + "\\n") });`,
    );
    const starter = spawn(process.execPath, [parent], { stdio: ["ignore", "pipe", "inherit"] });
    const [line] = await once(starter.stdout, "data");
    const pid = Number(/ready (\d+)/.exec(String(line))?.[1]);
    pids.push(pid);
    expect(isAlive(pid)).toBe(true);
    starter.kill("SIGKILL");
    await vi.waitFor(() => expect(isAlive(pid)).toBe(false), { timeout: 10_000 });
  });
});
