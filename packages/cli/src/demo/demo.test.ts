import { describe, expect, it } from "vitest";
import { buildJobView, buildNodeRow, buildPlacement, costed, tierBelow } from "../testing/builders.ts";
import { checkPromises } from "./checks.ts";
import { explainIdle } from "./idle.ts";
import { fullS, quantile } from "./record.ts";
import type { DemoRecords, JobRecord } from "./record.ts";
import { memberTable, nodeTable, placementTable, quotaTable, waitTable } from "./report.ts";
import { burstTasks, mixedTasks } from "./workload.ts";

const record = (changes: Partial<JobRecord> = {}): JobRecord => ({
  phase: "burst",
  task: "tag",
  member: "chidi",
  job: buildJobView(),
  placement: buildPlacement({ pi: [costed("llama3.2:3b", 1)] }),
  ...changes,
});

const UNLIMITED = { limitTokens: null, creditTokens: 0, leftTokens: null };

const records = (jobs: readonly JobRecord[], changes: Partial<DemoRecords> = {}): DemoRecords => ({
  jobs,
  held: [],
  nodes: [buildNodeRow()],
  months: (["maja", "ben", "chidi"] as const).map((member) => ({
    member,
    usedTokens: jobs
      .filter((job) => job.member === member)
      .reduce((sum, { job }) => sum + job.chargedTokens, 0),
    heldTokens: 0,
    ...UNLIMITED,
  })),
  books: { members: [], nodes: [] },
  ...changes,
});

const broken = (what: DemoRecords): string[] =>
  checkPromises(what, "pi").flatMap(({ promise, violations }) => (violations.length > 0 ? [promise] : []));

describe("the workload", () => {
  it("has thirty mixed jobs of every kind, one of them private", async () => {
    const tasks = await mixedTasks();
    expect(tasks).toHaveLength(30);
    expect(tasks.filter(({ privacy }) => privacy === "own").map(({ member }) => member)).toEqual(["maja"]);
    expect(new Set(tasks.map(({ request }) => request.model))).toEqual(
      new Set(["coop/edge", "coop/local-small", "coop/local-large"]),
    );
    for (const kind of ["summarise", "classify", "commit message", "code review", "extraction", "svenska"]) {
      expect(tasks.map(({ task }) => task)).toContain(kind);
    }
  });

  it("bursts with edge jobs only, private ones of the given owner among them", async () => {
    const tasks = await burstTasks("chidi");
    expect(new Set(tasks.map(({ request }) => request.model))).toEqual(new Set(["coop/edge"]));
    const own = tasks.filter(({ privacy }) => privacy === "own");
    expect(own.length).toBeGreaterThan(3);
    expect(new Set(own.map(({ member }) => member))).toEqual(new Set(["chidi"]));
  });
});

describe("the checks", () => {
  it("pass for jobs that went as promised", () => {
    expect(broken(records([record()]))).toEqual([]);
  });

  it.each<[string, Partial<JobRecord>, RegExp]>([
    ["a failed job", { job: buildJobView({ state: "failed", tier: "edge" }) }, /succeeded/],
    [
      "a better tier's job on the Pi",
      { job: buildJobView({ requested: "coop/local-small", tier: "local-small" }) },
      /above edge/,
    ],
    [
      "a job below its tier",
      { job: buildJobView({ requested: "coop/local-large", tier: "local-small", nodeName: "air" }) },
      /below the tier/,
    ],
    [
      "a private job on another's machine",
      { member: "ben", job: buildJobView({ privacy: "own" }) },
      /private/,
    ],
  ])("object to %s", (_, changes, promise) => {
    expect(broken(records([record(), record(changes)])).join("; ")).toMatch(promise);
  });

  it("object to a burst that left the Pi alone", () => {
    expect(broken(records([record({ job: buildJobView({ nodeName: "air" }) })])).join()).toMatch(/filled pi/);
  });

  it("object to books that disagree, and to tokens still held", () => {
    const month = { ...UNLIMITED, member: "chidi" as const, usedTokens: 30, heldTokens: 0 };
    const others = [
      { ...UNLIMITED, member: "maja" as const, usedTokens: 0, heldTokens: 0 },
      { ...UNLIMITED, member: "ben" as const, usedTokens: 0, heldTokens: 0 },
    ];
    expect(broken(records([record()], { months: [month, ...others] }))).toEqual([]);
    expect(broken(records([record()], { months: [{ ...month, usedTokens: 31 }, ...others] })).join()).toMatch(
      /books/,
    );
    expect(broken(records([record()], { months: [{ ...month, heldTokens: 1 }, ...others] })).join()).toMatch(
      /books/,
    );
  });
});

describe("books that four places keep", () => {
  const served = { jobs: 2, promptTokens: 20, outputTokens: 10 };
  const member = {
    member: "maja" as const,
    charged: { statement: 30, usage: 30, ledger: 30 },
    credit: { statement: 5, ledger: 5 },
  };
  const node = { node: "pi", engine: served, usage: served, statement: served };
  const told = (books: DemoRecords["books"]): string[] =>
    checkPromises(records([record()], { books }), "pi").flatMap(({ violations }) => violations);

  it("are equal", () => {
    expect(told({ members: [member], nodes: [node] })).toEqual([]);
  });

  it("are told apart, number by number", () => {
    expect(
      told({
        members: [
          { ...member, charged: { ...member.charged, ledger: 29 }, credit: { statement: 5, ledger: 6 } },
        ],
        nodes: [{ ...node, engine: { ...served, outputTokens: 11 } }],
      }),
    ).toEqual([
      "charged to maja: statement 30, usage 30, ledger 29",
      "credit of maja: statement 5, ledger 6",
      "outputTokens of pi: engine 11, usage 10, statement 10",
    ]);
  });
});

describe("why a node stood idle", () => {
  it("counts refusals, dearer costs and jobs held for another", () => {
    const mixed = (job: Partial<Parameters<typeof buildJobView>[0]>, placement: JobRecord["placement"]) =>
      record({ phase: "mixed", job: buildJobView({ nodeName: "studio", ...job }), placement });
    const held = {
      kind: "held" as const,
      forNode: "node_studio",
      forNodeName: "studio",
      model: "llama3.2:3b",
      expectedWaitS: 0.5,
    };
    const lines = explainIdle(
      records(
        [
          mixed({}, buildPlacement({ studio: [costed("qwen3:8b", 1)], pi: [tierBelow("llama3.2:3b")] })),
          mixed({}, buildPlacement({ studio: [costed("llama3.2:3b", 1)], pi: [costed("llama3.2:3b", 20)] })),
        ],
        {
          held: [
            {
              job: "job_9",
              task: "tag",
              placement: buildPlacement(
                { studio: [costed("llama3.2:3b", 1, 0.5)], pi: [costed("llama3.2:3b", 20)] },
                held,
              ),
            },
          ],
        },
      ),
      "pi",
    );
    expect(lines).toEqual([
      "pi got none of the 2 mixed jobs:",
      "  1 job refused, tier-below: asks for more than llama3.2:3b is",
      '  1 job better off elsewhere, typically at 5 % of the cost: "tag" for chidi would have cost 20 s there, 1.0 s on studio',
      '  left idle though "tag" waited (job_9): held for studio, 1.5 s there with the wait, 20 s here at once',
    ]);
  });
});

it("tells how long a node was full", () => {
  const from = buildPlacement({}).atMs;
  const run = (startMs: number, endMs: number): JobRecord =>
    record({
      job: buildJobView({ finishedAtMs: from + endMs }),
      placement: { ...buildPlacement({}), atMs: from + startMs },
    });
  const jobs = [run(0, 1000), run(500, 2000), run(2000, 3000)];
  expect(fullS(jobs, 1)).toBe(3);
  expect(fullS(jobs, 2)).toBe(0.5);
  expect(fullS([], 1)).toBe(0);
});

it("takes quantiles that are values", () => {
  expect([0.5, 0.95, 1].map((q) => quantile([3, 1, 2, 4], q))).toEqual([2, 4, 4]);
  expect(quantile([], 0.5)).toBe(0);
});

it("fits its tables into 100 columns", () => {
  const dearest = { studio: [costed("llama3.3:70b", 99)], air: [costed("llama3.3:70b", 99.4)] };
  const jobs = [
    record({
      phase: "mixed",
      task: "commit message",
      job: buildJobView({
        requested: "coop/local-large",
        privacy: "own",
        nodeName: "studio",
        model: "llama3.3:70b",
      }),
      placement: buildPlacement(dearest, {
        kind: "assigned",
        node: "node_studio",
        nodeName: "studio",
        model: "llama3.3:70b",
        tier: "local-large",
      }),
    }),
    record(),
  ];
  const [, mixed] = placementTable(records(jobs));
  expect(mixed).toMatch(/commit message +chidi +large, own +studio +llama3\.3:70b .* 99 s +air 99 s$/);
  const months = [
    {
      member: "chidi" as const,
      limitTokens: 987_654_321,
      creditTokens: 12_345_678,
      usedTokens: 123_456_789,
      heldTokens: 1_234_567,
      leftTokens: 862_962_965,
    },
  ];
  const tables = [placementTable, nodeTable, waitTable, memberTable, quotaTable].flatMap((table) =>
    table(records(jobs, { months })),
  );
  expect(Math.max(...tables.map((line) => line.length))).toBeLessThanOrEqual(100);
  expect(tables.join("")).not.toContain("…");
});
