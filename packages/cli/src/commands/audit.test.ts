import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { createClient } from "../client.ts";
import { hintsFor } from "../invocation.ts";
import { buildMemberRow } from "../testing/builders.ts";
import { captureOutput } from "../testing/captured-output.ts";
import { problem, startScriptedCoop } from "../testing/scripted-coop.ts";
import { listAudit, verifyAudit } from "./audit.ts";
import type { CommandContext } from "./context.ts";
import { checkSettings } from "./settings.ts";

/** Runs a command against a server that gives these answers; tells what was printed and how it failed. */
async function run(
  replies: Readonly<Record<string, unknown>>,
  command: (context: CommandContext) => Promise<void>,
  json = false,
) {
  await using coop = await startScriptedCoop((route) =>
    route in replies ? { status: 200, json: replies[route] } : { status: 404, json: problem(`no ${route}`) },
  );
  const output = captureOutput();
  const hint = hintsFor({});
  const source = { key: "coop_a_b", place: "a test" };
  const client = createClient({ url: coop.url, source, hint, signal: new AbortController().signal });
  const failure = await command({ client, output, json, hint }).then(
    () => null,
    (error: unknown) => error,
  );
  return { printed: output.stdout(), failure };
}

const hash = (digit: string): string => digit.repeat(64);
const whole = {
  object: "coop.audit-verification",
  entries: 1_200,
  head: { seq: 1_200, hash: hash("a") },
  unanswered: [],
  findings: [],
};

describe("audit verify", () => {
  it("prints the head to write down", async () => {
    const { printed, failure } = await run({ "GET /admin/audit/verify": whole }, (context) =>
      verifyAudit(context, null),
    );
    expect(failure).toBeNull();
    expect(printed).toBe(`The audit log is whole: 1,200 entries.\nHead: ${hash("a")} (no. 1,200)\n`);
  });

  it("asks for the head that was written down, and prints each finding and fails", async () => {
    const broken = {
      ...whole,
      entries: 1,
      findings: [
        { kind: "altered", seq: 2 },
        { kind: "missing", fromSeq: 3, toSeq: 4 },
        { kind: "unlinked", seq: 5 },
        { kind: "misplaced", seq: 1 },
        { kind: "head-missing", hash: hash("b") },
      ],
    };
    const route = `GET /admin/audit/verify?head=${hash("b")}`;
    const { printed, failure } = await run({ [route]: broken }, (context) => verifyAudit(context, hash("b")));
    expect(printed.trimEnd().split("\n")).toEqual([
      "no. 2 is not what was written",
      "no. 3 to 4 are not in their places",
      "no. 5 does not follow the entry that stands before it",
      "no. 1 stands after one with a higher number",
      `no entry has the hash ${hash("b")}: the end was cut off, or the log replaced`,
    ]);
    expect(failure).toMatchObject({ code: "audit-broken", message: expect.stringContaining("5 findings") });
  });
});

it("audit list prints the newest entries of all pages", async () => {
  const entry = (seq: number, changes: object = {}) => ({
    seq,
    atMs: 0,
    actor: "mem_olga",
    key: "key1",
    act: "members.add",
    target: null,
    phase: "asked",
    of: null,
    detail: '{"name":"(text)"}',
    previousHash: hash("0"),
    hash: hash("a"),
    ...changes,
  });
  const list = (nextCursor: number | null, ...data: unknown[]) => ({ object: "list", data, nextCursor });
  const replies = {
    "GET /admin/audit?limit=1000&after=0": list(2, entry(1), entry(2)),
    "GET /admin/audit?limit=1000&after=2": list(
      null,
      entry(3, { phase: "done", of: 2, target: "mem_1", detail: "{}" }),
      entry(4, { detail: '{"limits":{"tierTokensPerMonth":{"edge":null}},"of":["a"]}' }),
      entry(5, { detail: "{tampered" }),
    ),
    "GET /admin/members": {
      object: "list",
      month: "2026-11",
      data: [buildMemberRow({ id: "mem_olga", name: "olga" })],
    },
  };
  const { printed } = await run(replies, (context) => listAudit(context, 4));
  expect(printed.split("\n").map((line) => line.replace(/\d{4}-\d\d-\d\d \d\d:\d\d/, "DATE"))).toEqual([
    "NO.  WHEN              WHO   ACT          PHASE   TARGET  DETAIL",
    "  2  DATE  olga  members.add  asked           name (text)",
    "  3  DATE  olga  members.add  done 2  mem_1",
    '  4  DATE  olga  members.add  asked           limits.tierTokensPerMonth.edge null, of ["a"]',
    "  5  DATE  olga  members.add  asked           {tampered",
    "",
  ]);
  const asJson = await run(replies, (context) => listAudit(context, null), true);
  expect(JSON.parse(asJson.printed)).toHaveLength(5);
});

it("settings check reads a file as the server would, and names line and field", async () => {
  const folder = await mkdtemp(join(tmpdir(), "coop-settings-"));
  const path = join(folder, "coop.yaml");
  const output = captureOutput();
  await writeFile(
    path,
    "name: Kvarnen\nmoney:\n  machines:\n    attic: {price: 0, busyWatts: 9, idleWatts: 2}\n",
  );
  await checkSettings(process.env, output, path);
  expect(output.stdout()).toContain("everything in it can be read");
  expect(output.stdout()).toContain("names of nodes: attic");
  await writeFile(path, "name: Kvarnen\nmoney:\n  curency: SEK\n");
  await expect(checkSettings(process.env, output, path)).rejects.toMatchObject({
    code: "bad-input",
    message: expect.stringContaining(
      `${path}:3: money.curency is not known here; the nearest name is currency`,
    ),
  });
  await rm(folder, { recursive: true });
});
