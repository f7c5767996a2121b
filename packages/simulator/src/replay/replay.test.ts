import { findMachineProfile, findModelRow, priorCapacity, residentBytesOf } from "@coop/core";
import type { ReplayJob, ReplayMachine, ReplayRequest } from "@coop/protocol";
import { replayOutcomeSchema } from "@coop/protocol";
import { describe, expect, test } from "vitest";
import { simJobs } from "./jobs.ts";
import { replay } from "./replay.ts";

const MIDNIGHT_MS = Date.UTC(2026, 4, 4);
const HOUR_MS = 3_600_000;

function machine(
  name: string,
  profile: string,
  models: readonly string[],
  changes: Partial<ReplayMachine> = {},
): ReplayMachine {
  const row = findMachineProfile(profile);
  if (row === null) throw new Error(`broken invariant: the catalogue has ${profile}`);
  const slots = changes.slots ?? 1;
  return {
    name,
    owner: `mem_${name}`,
    profile,
    slots,
    modelMemoryBytes: row.memoryBytes * row.modelMemoryShare,
    interference: 1,
    tokensPerDay: null,
    tokensPerMonth: null,
    models: models.flatMap((model) => {
      const known = findModelRow(model);
      if (known === null) return [];
      return [
        {
          name: model,
          tier: known.tier,
          capabilities: ["completion" as const],
          contextTokens: 16_384,
          parameterCount: known.shape.parameters,
          residentBytes: residentBytesOf(known.shape, 16_384, slots),
          capacity: priorCapacity(row, known.shape),
        },
      ];
    }),
    ...changes,
  };
}

const STUDIO = machine(
  "Mac Studio M4 Max",
  "mac-studio-m4-max-128",
  ["llama3.2:3b", "qwen3:8b", "qwen3:32b"],
  {
    slots: 4,
  },
);
const PI = machine("Raspberry Pi 5", "raspberry-pi-5-8", ["llama3.2:3b"]);

const job = (atMs: number, changes: Partial<ReplayJob> = {}): ReplayJob => ({
  member: "mem_ada",
  weight: 1,
  submittedAtMs: MIDNIGHT_MS + atMs,
  endedAtMs: MIDNIGHT_MS + atMs + 8_000,
  outcome: "succeeded",
  endpoint: "chat",
  target: { kind: "tier", tier: "edge" },
  askedTier: "edge",
  privacy: "coop",
  needs: [],
  band: "interactive",
  promptTokens: 300,
  promptTokensMax: 500,
  maxOutputTokens: 1_024,
  outputTokens: 100,
  ...changes,
});

const asked = (tier: "edge" | "local-small" | "local-large"): Partial<ReplayJob> => ({
  target: { kind: "tier", tier },
  askedTier: tier,
});

const request = (changes: Partial<ReplayRequest> = {}): ReplayRequest => ({
  fleet: { object: "coop.replay-fleet", timeZone: "Europe/Stockholm", machines: [STUDIO, PI] },
  jobs: Array.from({ length: 30 }, (_, index) =>
    job(index * 20_000, index % 3 === 0 ? asked("local-small") : asked("edge")),
  ),
  without: [],
  add: [],
  ...changes,
});

describe("a replay", () => {
  test("of an unchanged fleet comes out the same twice", () => {
    const outcome = replay(request());
    expect(replayOutcomeSchema.parse(outcome)).toEqual(outcome);
    expect(outcome.after).toEqual(outcome.before);
    expect(outcome).toMatchObject({ jobs: 30, leftOut: 0, measuredLatencyS: 8 });
    expect(outcome.before.tiers.map(({ tier, jobs }) => [tier, jobs])).toEqual([
      ["edge", 20],
      ["local-small", 10],
    ]);
  });

  test("without the large machine says what is beyond the rest and how long the others wait", () => {
    const { before, after } = replay(request({ without: ["mac-studio"] }));
    expect(after.nodes.map(({ name }) => name)).toEqual(["Raspberry Pi 5"]);
    expect(after.tiers[1]).toMatchObject({ tier: "local-small", jobs: 10, beyond: 10, meanWaitS: null });
    expect(after.tiers[0]).toMatchObject({ beyond: 0, unserved: 0, servedBy: { edge: 20 } });
    expect(after.tiers[0]?.meanWaitS).toBeGreaterThan(10 * (before.tiers[0]?.meanWaitS ?? 0) + 10);
  });

  test("with more machines gives them the co-op's models that fit", () => {
    const { after } = replay(
      request({ without: ["Mac Studio M4 Max"], add: [{ profile: "m4-pro", count: 2 }] }),
    );
    expect(after.nodes.map(({ name }) => name)).toEqual([
      "Raspberry Pi 5",
      "added m4-pro-48 1",
      "added m4-pro-48 2",
    ]);
    expect(after.tiers[1]).toMatchObject({ tier: "local-small", beyond: 0, unserved: 0 });
  });

  test("begins its days when the co-op's begin, so that budgets do", () => {
    // In Stockholm's summer 21:00 UTC is 23:00, and 22:30 UTC half an hour into the next day.
    const [before, after] = simJobs([job(21 * HOUR_MS), job(22.5 * HOUR_MS)], "Europe/Stockholm");
    expect([before?.arrivalS, after?.arrivalS]).toEqual([23 * 3_600, 24.5 * 3_600]);
    expect(simJobs([job(21 * HOUR_MS)], "UTC")[0]?.arrivalS).toBe(21 * 3_600);
  });

  test("tells what of a budget was spent", () => {
    const frugal = { ...STUDIO, tokensPerDay: 100_000 };
    const fleet = { object: "coop.replay-fleet" as const, timeZone: "UTC", machines: [frugal] };
    const { before } = replay(request({ fleet, jobs: [job(HOUR_MS), job(2 * HOUR_MS)] }));
    expect(before.nodes[0]).toMatchObject({ jobs: 2, usedTokens: 800 });
    expect(before.nodes[0]?.spentShare).toBeCloseTo(0.008, 6);
  });

  test("takes an expired job for one of usual length, and leaves out what failed or was cancelled", () => {
    const jobs = [
      job(0, { outputTokens: 60 }),
      job(60_000, { outcome: "expired", outputTokens: null }),
      job(120_000, { outcome: "cancelled", outputTokens: null }),
      job(180_000, { outcome: "failed", outputTokens: null }),
    ];
    const { before, jobs: count, leftOut } = replay(request({ jobs }));
    expect([count, leftOut]).toEqual([2, 2]);
    expect(before.nodes.reduce((sum, { usedTokens }) => sum + usedTokens, 0)).toBe(2 * (300 + 60));
  });

  test("names what it cannot do", () => {
    expect(() => replay(request({ jobs: [] }))).toThrow(/nothing to replay/);
    expect(() => replay(request({ without: ["mac-mini"] }))).toThrow(/no machine "mac-mini".*Mac Studio/);
    expect(() => replay(request({ without: ["mac-studio", "raspberry-pi-5"] }))).toThrow(
      /No machine is left/,
    );
    expect(() => replay(request({ add: [{ profile: "cray-1", count: 1 }] }))).toThrow(/cray-1/);
  });
});
