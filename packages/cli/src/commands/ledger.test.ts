import { describe, expect, it } from "vitest";
import { createClient } from "../client.ts";
import { hintsFor } from "../invocation.ts";
import { captureOutput } from "../testing/captured-output.ts";
import { problem, startScriptedCoop } from "../testing/scripted-coop.ts";
import { exportLedger, verifyLedger } from "./ledger.ts";

/** Runs a command against a server that gives these answers; tells what was printed and how it failed. */
async function run(replies: Readonly<Record<string, unknown>>, command: typeof verifyLedger, json = false) {
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

const audit = {
  object: "coop.ledger-audit",
  atMs: 1,
  lines: 1_200,
  accounts: 3,
  agedOut: 0,
  findings: [],
  findingCount: 0,
};
const drifted = {
  ...audit,
  findings: [
    { kind: "member-drift", member: "mem_a", month: "2026-03", ledgerTokens: 1_000, accountTokens: 1_007 },
    { kind: "node-drift", node: "node_pi", period: "2026-03-01", ledgerTokens: 5, accountTokens: 0 },
    { kind: "sums-drift", member: "mem_a", month: "2026-03", wrongSums: 2 },
    { kind: "unbalanced", position: "7-0", of: "job_1", sumTokens: -1 },
  ],
  findingCount: 1_003,
};

describe("ledger verify", () => {
  it("says that the books agree", async () => {
    const { printed, failure } = await run({ "GET /admin/ledger/verify": audit }, verifyLedger);
    expect(failure).toBeNull();
    expect(printed).toBe("The books agree: 1,200 lines, 3 accounts.\n");
  });

  it("prints each drift and fails", async () => {
    const { printed, failure } = await run({ "GET /admin/ledger/verify": drifted }, verifyLedger);
    expect(printed.split("\n")).toEqual([
      "mem_a in 2026-03: the ledger has 1,000 tokens, the account 1,007 (+7)",
      "node_pi in 2026-03-01: the ledger has 5 tokens, the account 0 (-5)",
      "usage of mem_a in 2026-03: 2 sums differ from what the days come to",
      "entry 7-0 (job_1) sums to -1, not to zero",
      "... and 999 more",
      "",
    ]);
    expect(failure).toMatchObject({
      code: "ledger-drift",
      message: expect.stringContaining("1,003 findings"),
    });
    const asJson = await run({ "GET /admin/ledger/verify": drifted }, verifyLedger, true);
    expect(JSON.parse(asJson.printed)).toEqual(drifted);
    expect(asJson.failure).toMatchObject({ code: "ledger-drift" });
  });
});

it("ledger export prints a line of JSON for each entry, over all pages", async () => {
  const line = (position: string) => ({
    position,
    kind: "succeeded",
    job: "job_1",
    grant: null,
    epoch: 1,
    member: "mem_a",
    month: "2026-03",
    node: null,
    day: null,
    owner: null,
    atMs: 1,
    toMember: 5,
    toNode: -5,
    toWaste: 0,
    toAbsorbed: 0,
    toCredit: 0,
    toGrant: 0,
  });
  const list = (nextCursor: string | null, ...data: unknown[]) => ({ object: "list", data, nextCursor });
  const { printed, failure } = await run(
    {
      "GET /admin/ledger?limit=1000": list("2-0", line("1-0"), line("2-0")),
      "GET /admin/ledger?limit=1000&after=2-0": list(null, line("3-0")),
    },
    exportLedger,
  );
  expect(failure).toBeNull();
  const lines = printed.trimEnd().split("\n");
  expect(lines.map((text): unknown => JSON.parse(text))).toEqual([line("1-0"), line("2-0"), line("3-0")]);
});
