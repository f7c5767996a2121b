import { describe, expect, test } from "vitest";
import { dress, parseMix, schedule } from "./jobs.ts";
import type { Dressing } from "./jobs.ts";
import { sharesOf, USUAL_MEMBERS } from "./members.ts";
import type { Request } from "./request.ts";
import { SYNTHETIC_KINDS, synthesise } from "./synthetic.ts";
import { windowOf } from "./window.ts";

const DRESSING: Dressing = { mix: [0.55, 0.35, 0.1], members: USUAL_MEMBERS, batchShare: 0 };

const quantile = (values: readonly number[], part: number): number =>
  values.toSorted((one, other) => one - other)[Math.floor(part * (values.length - 1))] ?? Number.NaN;

/** Standard deviation over mean. */
function variation(values: readonly number[]): number {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length) / mean;
}
const gaps = (requests: readonly Request[]): number[] =>
  requests.slice(1).map(({ atS }, index) => atS - (requests[index]?.atS ?? 0));

describe("synthetic work", () => {
  test("of chats has the lengths of the public trace", () => {
    const chat = synthesise("chat", 20_000, 1);
    const prompts = chat.map(({ promptTokens }) => promptTokens);
    const outputs = chat.map(({ outputTokens }) => outputTokens);
    expect(Math.abs(quantile(prompts, 0.5) / 1_020 - 1)).toBeLessThan(0.2);
    expect(Math.abs(quantile(prompts, 0.99) / 4_142 - 1)).toBeLessThan(0.25);
    expect(Math.abs(quantile(outputs, 0.5) / 129 - 1)).toBeLessThan(0.1);
    expect(Math.abs(quantile(outputs, 0.99) / 601 - 1)).toBeLessThan(0.2);
  });

  test.each(SYNTHETIC_KINDS)("of kind %s comes at one a second, in order, and again by its seed", (kind) => {
    const requests = synthesise(kind, 5_000, 3);
    expect(requests).toEqual(synthesise(kind, 5_000, 3));
    expect(requests).not.toEqual(synthesise(kind, 5_000, 4));
    expect(Math.abs((requests.at(-1)?.atS ?? 0) / 5_000 - 1)).toBeLessThan(0.15);
    expect(Math.min(...gaps(requests))).toBeGreaterThanOrEqual(0);
  });

  test("in bursts comes far less evenly than by Poisson, and by day and night in waves", () => {
    expect(variation(gaps(synthesise("chat", 5_000, 1)))).toBeLessThan(1.1);
    expect(variation(gaps(synthesise("bursty", 5_000, 1)))).toBeGreaterThan(2);
    const byEighth = Array.from({ length: 8 }, () => 0);
    for (const { atS } of synthesise("diurnal", 8_000, 1)) {
      const eighth = Math.min(7, Math.floor(atS / 1_000));
      byEighth[eighth] = (byEighth[eighth] ?? 0) + 1;
    }
    expect(Math.max(...byEighth) / Math.min(...byEighth)).toBeGreaterThan(2);
  });

  test("goes on with conversations: each turn holds the one before", () => {
    const last = new Map<string, number>();
    let turns = 0;
    for (const { session, promptTokens, outputTokens, sharedTokens } of synthesise("code", 2_000, 1)) {
      const before = last.get(session ?? "") ?? 0;
      if (before > 0) turns += 1;
      expect(sharedTokens).toBe(Math.min(before, promptTokens - 1));
      last.set(session ?? "", promptTokens + outputTokens);
    }
    expect(turns).toBeGreaterThan(1_000);
  });
});

describe("jobs", () => {
  const requests = synthesise("chat", 6_000, 1);

  test("ask for tiers by the mix, a conversation for one", () => {
    const jobs = dress(requests, DRESSING, 1);
    const part = (tier: string) => jobs.filter(({ spec }) => spec.askedTier === tier).length / jobs.length;
    expect(Math.abs(part("edge") - 0.55)).toBeLessThan(0.04);
    expect(Math.abs(part("local-large") - 0.1)).toBeLessThan(0.03);
    const ofSession = new Map<string | null, Set<string>>();
    for (const { spec } of jobs) {
      const known = ofSession.get(spec.session) ?? new Set();
      ofSession.set(spec.session, known.add(`${spec.member} ${spec.askedTier}`));
    }
    expect(Math.max(...[...ofSession.values()].map(({ size }) => size))).toBe(1);
  });

  test("never tell the truth about their length, and never hold less than it", () => {
    for (const { spec, promptTokens, outputTokens } of dress(requests, DRESSING, 1)) {
      expect(spec.promptTokensMax).toBeGreaterThanOrEqual(promptTokens);
      expect(spec.maxOutputTokens).toBeGreaterThanOrEqual(outputTokens);
      expect(Math.abs(Math.log(spec.promptTokens / promptTokens))).toBeLessThan(0.8);
    }
  });

  test("come from members by their shares, who differ in how long their outputs are", () => {
    const jobs = dress(requests, { ...DRESSING, members: { count: 4, topShare: 0.5 } }, 1);
    const logs = new Map<string, number[]>();
    for (const { spec, outputTokens } of jobs) {
      const ofMember = logs.get(spec.member) ?? [];
      logs.set(spec.member, ofMember);
      ofMember.push(Math.log(outputTokens));
    }
    expect(logs.size).toBe(4);
    expect(Math.abs((logs.get("mem_m01")?.length ?? 0) / jobs.length - 0.5)).toBeLessThan(0.05);
    expect(sharesOf({ count: 3, topShare: null }).reduce((sum, share) => sum + share, 0)).toBeCloseTo(1, 12);
  });

  test("keep the senders that a trace names", () => {
    const named = requests.slice(0, 50).map((request, index) => ({ ...request, client: `c${index % 2}` }));
    expect(new Set(dress(named, DRESSING, 1).map(({ spec }) => spec.member))).toEqual(
      new Set(["mem_c0", "mem_c1"]),
    );
  });

  test("arrive as far apart as the load wants", () => {
    const jobs = schedule(dress(requests.slice(0, 10), DRESSING, 1), 30);
    expect(jobs[9]?.arrivalS).toBe((requests[9]?.atS ?? 0) * 30);
    expect(jobs[9]?.spec.submittedAtMs).toBe(
      (jobs[0]?.spec.submittedAtMs ?? 0) + ((jobs[9]?.arrivalS ?? 0) - (jobs[0]?.arrivalS ?? 0)) * 1000,
    );
  });

  test.each(["55/35", "a/b/c", "0/0/0", "50/60/-10", "1/1/1/1", ""])("refuse the mix %s", (text) => {
    expect(() => parseMix(text)).toThrow(/55\/35\/10/);
  });
});

test("a window of a trace is a part of it in a row, and a longer one goes round", () => {
  const trace = synthesise("chat", 100, 1);
  const part = windowOf(trace, 10, 5);
  expect(part[0]?.atS).toBe(0);
  expect(trace.some(({ promptTokens }) => promptTokens === part[0]?.promptTokens)).toBe(true);
  expect(windowOf(trace, 10, 5)).toEqual(part);
  const round = windowOf(trace, 250, 5);
  expect(round).toHaveLength(250);
  expect(round[100]?.promptTokens).toBe(round[0]?.promptTokens);
  expect(round[100]?.session).not.toBe(round[0]?.session);
  expect(round[100]?.prefix).not.toEqual(round[0]?.prefix);
  expect(gaps(round).every((gap) => gap >= 0)).toBe(true);
});
