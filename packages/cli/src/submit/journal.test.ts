import { appendFile, mkdtemp, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { beginJournal, continueJournal, recall } from "./journal.ts";
import type { LineEnd, Recollection } from "./journal.ts";
import { identifyRun } from "./run.ts";

let folder: string;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "coop-journal-"));
  path = join(folder, "journal");
});
afterEach(() => rm(folder, { recursive: true }));

const run = identifyRun(Buffer.from("lines"), "/r", { model: null, privacy: "own", deadlineSeconds: 60 });
const end: LineEnd = {
  job: "job_1",
  failure: null,
  node: "studio",
  model: "qwen3:8b",
  tier: "local-small",
  promptTokens: 3,
  outputTokens: 5,
};

async function remembered(): Promise<Recollection> {
  const memory = await recall(path);
  if (memory === null) throw new Error("there is no journal");
  return memory;
}

function writeSome(): void {
  using journal = beginJournal(path, run);
  journal.append({ kind: "submitted", line: 1, round: 1, job: "job_1" });
  journal.append({ kind: "submitted", line: 2, round: 1, job: "job_2" });
  journal.append({ kind: "ended", line: 1, end });
  journal.append({ kind: "submitted", line: 2, round: 2, job: "job_3" });
}

describe("the journal", () => {
  it("tells the run, each line's latest job, and how lines ended", async () => {
    expect(await recall(path)).toBeNull();
    writeSome();
    const memory = await remembered();
    expect(memory.run).toEqual(run);
    expect([...memory.submitted]).toEqual([
      [1, { job: "job_1", round: 1 }],
      [2, { job: "job_3", round: 2 }],
    ]);
    expect([...memory.ended]).toEqual([[1, end]]);
  });

  it("survives a crash at every byte: what was whole is kept, what is appended after it is read", async () => {
    writeSome();
    const whole = await readFile(path);
    const headBytes = whole.indexOf(0x0a) + 1;
    for (let bytes = headBytes; bytes < whole.length; bytes += 1) {
      await writeFile(path, whole.subarray(0, bytes));
      const memory = await remembered();
      {
        using journal = continueJournal(path, memory);
        journal.append({ kind: "submitted", line: 9, round: 1, job: "job_9" });
      }
      const later = await remembered();
      expect(later.submitted.get(9)).toEqual({ job: "job_9", round: 1 });
      expect(later.submitted.size + later.ended.size).toBe(memory.submitted.size + memory.ended.size + 1);
    }
  });

  it("keeps nothing behind what a lost block left", async () => {
    writeSome();
    const { wholeBytes } = await remembered();
    await appendFile(path, `${"\0".repeat(40)}\n{"kind":"submitted","line":7,"round":1,"job":"job_7"}\n`);
    const memory = await remembered();
    expect([memory.wholeBytes, memory.submitted.has(7)]).toEqual([wholeBytes, false]);
  });

  it("replaces another run's journal at once", async () => {
    writeSome();
    const other = identifyRun(Buffer.from("others"), "/r", run.options);
    beginJournal(path, other)[Symbol.dispose]();
    expect(await remembered()).toMatchObject({ run: other, submitted: new Map(), ended: new Map() });
  });

  it("does not take another file for one", async () => {
    await writeFile(path, '{"custom_id": "a"}\n');
    await expect(recall(path)).rejects.toMatchObject({ code: "bad-input" });
    await truncate(path, 0);
    await expect(recall(path)).rejects.toMatchObject({ code: "bad-input" });
  });
});
