import { describe, expect, test } from "vitest";
import { assert } from "../assert.ts";
import type { NodeReport } from "../fleet/node.ts";
import { holdTokens } from "../job/job.ts";
import type { JobSpec } from "../job/job.ts";
import {
  buildJobSpec,
  buildModelCapacity,
  buildModelReport,
  buildNodeIdentity,
  buildNodeJoined,
  buildNodeReport,
  createManualClock,
  createSeededRandom,
} from "../testing/index.ts";
import { asJobId, asMemberId, asNodeId } from "../terms.ts";
import type { JobId, NodeId } from "../terms.ts";
import { createDispatcher } from "./dispatcher.ts";
import type { DispatchEffect, DispatchEvent } from "./events.ts";

/** A small co-op for days: jobs come, run as long as their tokens take, and their nodes keep exact accounts. */

const TICK_MS = 20_000;
const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const MIDNIGHT = Date.UTC(2026, 2, 2);
const MEMBERS = ["mem_ada", "mem_bo", "mem_cy"].map(asMemberId);
const figure = (value: number) => ({ value, basis: "measured" as const });
/** What hold and use of a job are on average, tokens: prompts of 600, held at 1,200, and outputs of 200 of 1,600. */
const MEAN_HOLD = 2_800;
const MEAN_USE = 800;

interface Budgeted {
  readonly id: NodeId;
  readonly perDay: number | null;
  readonly perMonth: number | null;
  readonly report: NodeReport;
  /** Whole days of the month. */
  readonly monthDays: number;
}

const node = (
  name: string,
  limits: { perDay?: number; perMonth?: number; monthDays?: number },
  isFast = true,
): Budgeted => {
  const { perDay = null, perMonth = null, monthDays = 30 } = limits;
  const capacity = isFast
    ? buildModelCapacity()
    : buildModelCapacity({ effectiveBytesPerSecond: figure(10e9), prefillTokensPerSecond: figure(30) });
  const report = buildNodeReport({
    slots: isFast ? 4 : 1,
    models: [buildModelReport({ name: `on-${name}`, capacity })],
    tokensPerDay: perDay,
    tokensPerMonth: perMonth,
  });
  return { id: asNodeId(`node_${name}`), perDay, perMonth, report, monthDays };
};

interface Account {
  usedInDay: number;
  usedInMonth: number;
  held: number;
  readonly byHour: number[];
}

interface World {
  readonly nodes: readonly Budgeted[];
  /** Jobs per second, of each node's model. */
  readonly rate: (node: Budgeted) => number;
  readonly band?: (index: number) => JobSpec["band"];
  readonly days?: number;
  readonly seed?: number;
}

/** Plays whole days; answers the accounts by node at the end of each day, and how many jobs of a band were served. */
function play({ nodes, rate, band = () => "interactive", days = 1, seed = 1 }: World) {
  const clock = createManualClock(MIDNIGHT);
  const dispatcher = createDispatcher({ clock });
  const random = createSeededRandom(seed);
  const accounts = new Map<NodeId, Account>(
    nodes.map(({ id }) => [id, { usedInDay: 0, usedInMonth: 0, held: 0, byHour: [] }]),
  );
  const running = new Map<
    JobId,
    { readonly endsMs: number; readonly spec: JobSpec; readonly node: NodeId }
  >();
  const served = { interactive: 0, batch: 0 };
  const atDayEnd: { readonly node: NodeId; readonly usedInDay: number; readonly usedInMonth: number }[] = [];
  const accountOf = (id: NodeId): Account => {
    const account = accounts.get(id);
    assert(account !== undefined, `${id} has an account`);
    return account;
  };
  const monthEndsMs = ({ monthDays }: Budgeted) => MIDNIGHT + monthDays * DAY;
  const budgetOf = (of: Budgeted, dayEndsMs: number) => {
    const { usedInDay, usedInMonth, held } = accountOf(of.id);
    return {
      dayLeftTokens: of.perDay === null ? null : of.perDay - usedInDay - held,
      dayEndsMs,
      monthLeftTokens: of.perMonth === null ? null : of.perMonth - usedInMonth - held,
      monthEndsMs: monthEndsMs(of),
    };
  };
  const tokensOf = new Map<JobId, number>();
  const tell = (event: DispatchEvent): void => dispatcher.step(event).forEach(begin);
  const begin = ({ spec, node: id }: DispatchEffect): void => {
    const of = nodes.find((known) => known.id === id);
    const account = accountOf(id);
    assert(of !== undefined, `${id} is in the world`);
    account.held += holdTokens(spec);
    expect(account.usedInDay + account.held).toBeLessThanOrEqual(of.perDay ?? Infinity);
    expect(account.usedInMonth + account.held).toBeLessThanOrEqual(of.perMonth ?? Infinity);
    const output = (tokensOf.get(spec.id) ?? 0) - spec.promptTokens;
    const capacity = of.report.models[0]?.capacity ?? buildModelCapacity();
    const stepMs = 4 + (capacity.weightBytesPerToken / capacity.effectiveBytesPerSecond.value) * 1000;
    const tookMs = (spec.promptTokens / capacity.prefillTokensPerSecond.value) * 1000 + output * stepMs;
    running.set(spec.id, { endsMs: clock.now() + tookMs, spec, node: id });
  };
  const end = (id: JobId): void => {
    const attempt = running.get(id);
    assert(attempt !== undefined, `${id} runs`);
    running.delete(id);
    const account = accountOf(attempt.node);
    const used = tokensOf.get(id) ?? 0;
    account.held -= holdTokens(attempt.spec);
    account.usedInDay += used;
    account.usedInMonth += used;
    const hour = Math.floor((clock.now() - MIDNIGHT) / HOUR);
    account.byHour[hour] = (account.byHour[hour] ?? 0) + used;
    served[attempt.spec.band] += 1;
    const { promptTokens } = attempt.spec;
    tell({ kind: "attempt-ended", job: id, usage: { promptTokens, outputTokens: used - promptTokens } });
  };

  nodes.forEach((of, index) =>
    tell(
      buildNodeJoined({
        identity: buildNodeIdentity({ id: of.id, name: of.id, owner: asMemberId(`mem_owner${index}`) }),
        report: of.report,
        budget: budgetOf(of, MIDNIGHT + DAY),
      }),
    ),
  );
  const nextMs = nodes.map((of) => MIDNIGHT + (-Math.log(1 - random.next()) / rate(of)) * 1000);
  let jobs = 0;
  const arrive = (index: number): void => {
    const of = nodes[index];
    assert(of !== undefined, "the node is in the world");
    nextMs[index] = clock.now() + (-Math.log(1 - random.next()) / rate(of)) * 1000;
    jobs += 1;
    const promptTokens = Math.round(150 + 900 * random.next());
    const spec = buildJobSpec({
      id: asJobId(`job_${jobs}`),
      member: MEMBERS[jobs % MEMBERS.length] ?? asMemberId("mem_ada"),
      target: { kind: "model", model: of.report.models[0]?.name ?? "" },
      promptTokens,
      promptTokensMax: 2 * promptTokens,
      maxOutputTokens: 400 + Math.round(2_400 * random.next()),
      band: band(jobs),
      submittedAtMs: clock.now(),
    });
    tokensOf.set(spec.id, promptTokens + Math.round(20 + 360 * random.next()));
    tell({ kind: "job-pending", spec, excludedNodes: [], notBeforeMs: 0 });
  };
  for (let day = 1; day <= days; day += 1) {
    const dayEndsMs = MIDNIGHT + day * DAY;
    for (;;) {
      const ends = [...running].reduce<readonly [JobId | null, number]>(
        (first, [id, { endsMs }]) => (endsMs < first[1] ? [id, endsMs] : first),
        [null, Infinity],
      );
      const arrival = Math.min(...nextMs);
      const atMs = Math.min(ends[1], arrival, clock.now() + TICK_MS);
      if (atMs >= dayEndsMs) break;
      clock.set(atMs);
      if (ends[0] !== null && ends[1] === atMs) end(ends[0]);
      else if (arrival === atMs) arrive(nextMs.indexOf(arrival));
      else tell({ kind: "tick" });
    }
    // What runs over midnight counts where it was held.
    for (const id of running.keys()) end(id);
    for (const [id, { usedInDay, usedInMonth }] of accounts)
      atDayEnd.push({ node: id, usedInDay, usedInMonth });
    clock.set(dayEndsMs);
    for (const account of accounts.values()) account.usedInDay = 0;
    for (const of of nodes) {
      tell({ kind: "node-reported", node: of.id, report: of.report, budget: budgetOf(of, dayEndsMs + DAY) });
    }
  }
  return { atDayEnd, accountOf, served, jobs };
}

const rateFor = (tokens: number, times = 3) => (tokens * times) / MEAN_USE / (DAY / 1000);

/** Days of many decisions, which a busy machine takes its time for. */
const LIMIT_MS = 60_000;

describe("a token budget under three times its demand", { timeout: LIMIT_MS }, () => {
  const tokens = 100 * MEAN_HOLD;
  test.each([
    ["fast machine of four slots", node("studio", { perDay: tokens })],
    ["slow machine of one", node("pi", { perDay: tokens }, false)],
  ])("of a %s is spent evenly, to the end of the day and not beyond", (_, budgeted) => {
    const nodes = [budgeted];
    const { atDayEnd, accountOf } = play({ nodes, rate: () => rateFor(tokens) });
    for (const { usedInDay } of atDayEnd) {
      expect(usedInDay / tokens).toBeGreaterThan(0.98);
      expect(usedInDay).toBeLessThanOrEqual(tokens);
    }
    for (const { id } of nodes) {
      const hourly = accountOf(id).byHour.slice(2, 24);
      expect(hourly).toHaveLength(22);
      for (const used of hourly) {
        expect(used / (tokens / 24)).toBeGreaterThan(0.85);
        expect(used / (tokens / 24)).toBeLessThan(1.15);
      }
    }
  });

  test("of a month lasts the month, beside a looser one of the day", () => {
    const perMonth = 150 * MEAN_HOLD;
    const nodes = [node("studio", { perDay: perMonth / 2, perMonth, monthDays: 3 })];
    const { atDayEnd } = play({ nodes, rate: () => rateFor(perMonth / 3), days: 3 });
    const shares = atDayEnd.map(({ usedInMonth }) => usedInMonth / perMonth);
    [1 / 3, 2 / 3].forEach((share, day) => expect(Math.abs((shares[day] ?? 0) - share)).toBeLessThan(0.03));
    expect(shares[2]).toBeGreaterThan(0.98);
  });

  test("goes to interactive work first, and batch work gets what that leaves", () => {
    const nodes = [node("studio", { perDay: tokens })];
    const mixed = play({
      nodes,
      rate: () => rateFor(tokens),
      band: (job) => (job % 4 === 0 ? "interactive" : "batch"),
    });
    const interactiveJobs = (3 * tokens) / MEAN_USE / 4;
    expect(mixed.served.interactive / interactiveJobs).toBeGreaterThan(0.95);
    expect((mixed.atDayEnd[0]?.usedInDay ?? 0) / tokens).toBeGreaterThan(0.98);
    const onlyBatch = play({ nodes, rate: () => rateFor(tokens), band: () => "batch" });
    expect((onlyBatch.atDayEnd[0]?.usedInDay ?? 0) / tokens).toBeGreaterThan(0.98);
  });

  test("holds nothing back while the demand is below it", () => {
    const nodes = [node("studio", { perDay: tokens })];
    const { served, jobs } = play({ nodes, rate: () => rateFor(tokens, 0.3) });
    expect(jobs - served.interactive).toBeLessThan(3);
  });
});

test.each([
  ["", 0],
  [", many given up or not", 30],
])("an hour's last tokens go to a job that does with them, a large one waits%s", (_, givenUp) => {
  const clock = createManualClock(MIDNIGHT);
  const dispatcher = createDispatcher({ clock });
  const { id, report } = node("studio", { perDay: 240_000 });
  const owner = asMemberId("mem_owner");
  const budget = {
    dayLeftTokens: 240_000,
    dayEndsMs: MIDNIGHT + DAY,
    monthLeftTokens: null,
    monthEndsMs: MIDNIGHT + 30 * DAY,
  };
  dispatcher.step(
    buildNodeJoined({ identity: buildNodeIdentity({ id, name: "studio", owner }), report, budget }),
  );
  const submit = (name: string, promptTokens: number, member = asMemberId("mem_ada")) => {
    const spec = buildJobSpec({
      id: asJobId(name),
      member,
      target: { kind: "model", model: "on-studio" },
      promptTokens,
      promptTokensMax: promptTokens,
      maxOutputTokens: 400,
      submittedAtMs: clock.now(),
    });
    return started(dispatcher.step({ kind: "job-pending", spec, excludedNodes: [], notBeforeMs: 0 }));
  };
  const started = (effects: readonly DispatchEffect[]): readonly string[] =>
    effects.map(({ spec }) => spec.id);
  const jobEnds = (name: string, promptTokens: number) =>
    dispatcher.step({
      kind: "attempt-ended",
      job: asJobId(name),
      usage: { promptTokens, outputTokens: 200 },
    });

  for (let count = 0; count < givenUp; count += 1) {
    expect(submit(`given up ${count}`, 4_000, owner)).toHaveLength(1);
    dispatcher.step({ kind: "job-gone", job: asJobId(`given up ${count}`) });
    dispatcher.step({ kind: "node-reported", node: id, report, budget });
  }
  // 4,800 tokens at once and 9,800 an hour: 12,000 are gone, the hour has 2,600 left less what is kept back.
  expect(submit("first", 11_800)).toEqual(["first"]);
  jobEnds("first", 11_800);
  clock.set(MIDNIGHT + HOUR - 5 * 60_000);
  expect(submit("large", 4_000)).toEqual([]);
  const told = dispatcher.explain(asJobId("large"));
  expect(JSON.stringify(told?.decision)).toMatch(/too little left for it this hour/);
  expect(JSON.stringify(told?.nodes)).toMatch(/too little left of its token budget for this hour/);
  expect(submit("small", 500)).toEqual(["small"]);
  expect(submit("of the owner", 4_000, owner)).toEqual(["of the owner"]);
  jobEnds("of the owner", 0);
  jobEnds("small", 500);
  clock.set(MIDNIGHT + HOUR);
  expect(started(dispatcher.step({ kind: "tick" }))).toEqual(["large"]);
});
