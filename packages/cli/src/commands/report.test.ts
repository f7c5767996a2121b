import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { statementSchema } from "@coop/protocol";
import type { StatementView, UsageCountsView, UsagePage } from "@coop/protocol";
import { describe, expect, it } from "vitest";
import { createClient } from "../client.ts";
import { hintsFor } from "../invocation.ts";
import { captureOutput } from "../testing/captured-output.ts";
import { problem, startScriptedCoop } from "../testing/scripted-coop.ts";
import type { Reply } from "../testing/scripted-coop.ts";
import type { CommandContext } from "./context.ts";
import { formatOfFile, report } from "./report.ts";
import type { ReportOptions } from "./report.ts";
import { statementLines } from "./statement-lines.ts";
import { usage } from "./usage.ts";

async function run(
  replies: Readonly<Record<string, Reply>>,
  command: (context: CommandContext) => Promise<void>,
  json = false,
) {
  await using coop = await startScriptedCoop(
    (route) => replies[route] ?? { status: 404, json: problem(`no ${route}`) },
  );
  const output = captureOutput();
  const hint = hintsFor({});
  const source = { key: "coop_a_b", place: "a test" };
  const client = createClient({ url: coop.url, source, hint, signal: new AbortController().signal });
  const failure = await command({ client, output, json, hint }).then(
    () => null,
    (error: unknown) => error,
  );
  return { printed: output.stdout(), told: output.stderr(), failure };
}

const counts = (jobs: number): UsageCountsView => ({
  succeeded: jobs,
  failed: 0,
  cancelled: 0,
  expired: 0,
  promptTokens: 100 * jobs,
  outputTokens: 10 * jobs,
  chargedTokens: 110 * jobs,
  nodeMs: 1_500 * jobs,
});
const amount = (value: number, ...without: string[]) => ({ amount: value, without });
const wait = { ms: 157, atLeastMs: 100, atMostMs: 200 };
const waits = { jobs: 4, p50: wait, p95: { ms: 86_400_000, atLeastMs: 86_400_000, atMostMs: null } };
const quota = {
  usedTokens: 440,
  heldTokens: 5,
  creditTokens: 100,
  floorTokens: 900,
  limitTokens: 1_000,
};

const statement: StatementView = {
  object: "coop.statement",
  coop: "Our co-op",
  subject: { kind: "member", member: "mem_a", name: "maja" },
  month: "2026-11",
  timeZone: "UTC",
  complete: false,
  untilMs: 1,
  currency: "SEK",
  usage: { ...counts(4), failed: 1 },
  waits,
  quota,
  days: [],
  tiers: [{ key: "edge", ...counts(4) }],
  models: [{ key: "llama3.2:3b", ...counts(4) }],
  nodes: [
    {
      key: "node_pi",
      ...counts(4),
      name: "pi",
      simulated: true,
      energyKwh: null,
      energyCost: null,
    },
    { key: null, ...counts(0), failed: 1, name: null, simulated: false, energyKwh: 0, energyCost: 0 },
  ],
  costs: {
    energyKwh: 0,
    energy: amount(0.0012, "pi"),
    fixed: {
      sharedBy: 2,
      hardware: amount(12.5, "pi"),
      idleElectricity: amount(1),
      other: 0,
      total: amount(13.5, "pi"),
    },
    total: amount(13.5012, "pi"),
    perMillionTokens: amount(30_684.5, "pi"),
    cloud: [{ name: "A cloud", inputPerMillion: 1, outputPerMillion: 2, cost: 0.48 }],
  },
  fleet: {
    tokens: 440,
    servingMs: 36_000_000,
    busyMs: 6_000,
    utilisation: 6_000 / 36_000_000,
    cost: amount(27, "pi"),
    perMillionTokens: amount(61_363.64, "pi"),
    nodes: [],
  },
  missingPrices: [{ node: "node_pi", name: "pi", machine: null, remedy: "Nobody said what pi costs." }],
  members: [],
};

const own: ReportOptions = { month: null, whose: { kind: "own" }, format: "tables", file: null };

describe("report", () => {
  it("prints tables, with what is missing said wherever it matters", async () => {
    const { printed } = await run(
      { "GET /v1/statement?format=json": { status: 200, json: statement } },
      (context) => report(context, own),
    );
    expect(printed.split("\n")).toEqual([
      "Statement of maja, 2026-11 up to now (Our co-op; UTC; amounts in SEK)",
      "",
      "Jobs        5, 80 % succeeded, 1 failed",
      "Tokens      400 in, 40 out, 440 charged",
      "Waits       half at most 157 ms (100 ms to 200 ms); 95 of 100 at most more than 24.0 h",
      "Quota       440 tokens used of 1,000 (44 %), 5 held, 100 of credit",
      "Cost        13.50 without pi: electricity 0.0012, hardware 12.50, waiting machines 1.00, other 0.00, fixed costs shared by 2 members",
      "at A cloud  0.48",
      "Fleet       nodes worked 0.017 % of the time that they could (6.0 s of 10.0 h); a million tokens cost 61,363.64 without pi",
      "",
      "! Nobody said what pi costs.",
      "",
      "TIER  JOBS  TOKENS IN  TOKENS OUT  CHARGED  NODE TIME",
      "edge     4        400          40      440      6.0 s",
      "",
      "MODEL        JOBS  TOKENS IN  TOKENS OUT  CHARGED  NODE TIME",
      "llama3.2:3b     4        400          40      440      6.0 s",
      "",
      "NODE            JOBS  TOKENS IN  TOKENS OUT  CHARGED  NODE TIME",
      "pi (simulated)     4        400          40      440      6.0 s",
      "without a node     1          0           0        0     0.00 s",
      "",
    ]);
  });

  it("holds nothing used in a month that is over against today's limit", () => {
    const over = { ...statement, complete: true, waits: { jobs: 0, p50: null, p95: null } };
    const lines = statementLines(over);
    expect(lines).toContain("Quota       440 tokens used, 5 held, 100 of credit; today's limit: 1,000");
    expect(lines).toContain("Waits       none");
  });

  it("of the fleet has a row a member, within the width of a terminal", () => {
    const line = {
      ...counts(4),
      member: "mem_a",
      name: "maja",
      waits,
      quota,
      energy: amount(1),
      fixedShare: amount(2),
      total: amount(3, "pi"),
    };
    const lines = statementLines({
      ...statement,
      subject: { kind: "fleet", members: 1 },
      quota: null,
      members: [line],
    });
    expect(lines[0]).toBe("The fleet, 2026-11 up to now (Our co-op; UTC; amounts in SEK)");
    const at = lines.findIndex((text) => text.startsWith("MEMBER"));
    expect(lines[at + 1]).toMatch(/^maja +4 +100 % +440 +1,000 +100 +6\.0 s +157 ms +24\.0 h +>= 3\.00$/);
    expect(lines[at]?.length).toBeLessThanOrEqual(100);
  });

  it("asks as an operator for a member's or everybody's, and hands on what the server made", async () => {
    const replies = {
      "GET /admin/statement?month=2026-11&member=maja&format=csv": { status: 200, text: "a,b\r\n" },
      "GET /admin/statement?format=md": { status: 200, text: "# The fleet" },
    };
    const csv = await run(replies, (context) =>
      report(context, {
        ...own,
        month: "2026-11",
        whose: { kind: "member", member: "maja" },
        format: "csv",
      }),
    );
    expect(csv.printed).toBe("a,b\r\n");
    const md = await run(replies, (context) =>
      report(context, { ...own, whose: { kind: "all" }, format: "md" }),
    );
    expect(md.printed).toBe("# The fleet\n");
  });

  it("indents JSON as every command does, printed and saved", async () => {
    const folder = await mkdtemp(join(tmpdir(), "coop-report-"));
    try {
      const replies = { "GET /v1/statement?format=json": { status: 200, json: statement } };
      const indented = `${JSON.stringify(statementSchema.parse(statement), null, 2)}\n`;
      const { printed } = await run(replies, (context) => report(context, { ...own, format: "json" }));
      expect(printed).toBe(indented);
      const file = join(folder, "november.json");
      await run(replies, (context) => report(context, { ...own, format: "json", file }));
      expect(await readFile(file, "utf8")).toBe(indented);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it("saves to a file, and says so when it cannot", async () => {
    const folder = await mkdtemp(join(tmpdir(), "coop-report-"));
    try {
      const replies = { "GET /v1/statement?format=html": { status: 200, text: "<!doctype html>" } };
      const file = join(folder, "november.html");
      const saved = await run(replies, (context) => report(context, { ...own, format: "html", file }));
      expect([saved.printed, saved.told]).toEqual(["", `Saved to ${file}.\n`]);
      expect(await readFile(file, "utf8")).toBe("<!doctype html>");
      const { failure } = await run(replies, (context) =>
        report(context, { ...own, format: "html", file: join(folder, "no", "folder.html") }),
      );
      expect(failure).toMatchObject({ code: "file-unwritable", message: expect.stringContaining("folder") });
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it("knows a format by a file's ending", () => {
    expect(["a.html", "b.CSV", "c.md", "d.json", "e.txt", "f"].map(formatOfFile)).toEqual([
      "html",
      "csv",
      "md",
      "json",
      "tables",
      "tables",
    ]);
    expect(() => formatOfFile("november.pdf")).toThrow(/no statement is made as \.pdf.*\.html/);
  });
});

describe("usage", () => {
  const page = (
    from: string,
    to: string,
    nextCursor: string | null,
    ...data: UsagePage["data"]
  ): UsagePage => ({
    object: "coop.usage",
    member: "mem_a",
    from,
    to,
    groupBy: "node",
    data,
    nodeNames: { node_pi: "pi" },
    total: counts(0),
    nextCursor,
  });
  const replies = {
    "GET /v1/usage?to=2026-11-20&groupBy=node": {
      status: 200,
      json: page("2026-11-01", "2026-11-10", "2026-11-11", { key: "node_pi", ...counts(2) }),
    },
    "GET /v1/usage?from=2026-11-01&to=2026-11-20&groupBy=node&cursor=2026-11-11": {
      status: 200,
      json: page(
        "2026-11-11",
        "2026-11-20",
        null,
        { key: "node_pi", ...counts(1) },
        { key: null, ...counts(1) },
      ),
    },
  };
  const options = { from: null, to: "2026-11-20", by: "node", whose: { kind: "own" }, csv: false } as const;

  it("sums over all pages", async () => {
    const { printed } = await run(replies, (context) => usage(context, options));
    expect(printed.split("\n")).toEqual([
      "Usage from 2026-11-01 to 2026-11-20",
      "",
      "NODE            JOBS  TOKENS IN  TOKENS OUT  CHARGED  NODE TIME",
      "pi                 3        300          30      330      4.5 s",
      "without a node     1        100          10      110      1.5 s",
      "all                4        400          40      440      6.0 s",
      "",
    ]);
  });

  it("is one table of all pages for spreadsheets", async () => {
    const { printed } = await run(replies, (context) => usage(context, { ...options, csv: true }));
    expect(printed).toBe(
      "node,nodeName,succeeded,failed,cancelled,expired,promptTokens,outputTokens,chargedTokens,nodeMs\r\n" +
        "node_pi,pi,3,0,0,0,300,30,330,4500\r\n" +
        ",,1,0,0,0,100,10,110,1500\r\n",
    );
  });

  it("is one page for programs", async () => {
    const { printed } = await run(replies, (context) => usage(context, options), true);
    expect(JSON.parse(printed)).toEqual({
      ...page(
        "2026-11-01",
        "2026-11-20",
        null,
        { key: "node_pi", ...counts(3) },
        { key: null, ...counts(1) },
      ),
      total: counts(4),
    });
  });
});
