import { describe, expect, test } from "vitest";
import { createCalendar } from "../calendar.ts";
import type { UsageRow } from "../ports/usage.ts";
import { DEFAULT_SETTINGS } from "../settings.ts";
import { asMemberId, asNodeId } from "../terms.ts";
import type { Tier } from "../terms.ts";
import { createMonthReport } from "./month-report.ts";
import type { MemberRecord, MonthBasis } from "./month-report.ts";
import type { ReportedNode } from "./node-month.ts";
import { sumsOfRows } from "../testing/usage-sums.ts";
import { monthPeriod } from "./period.ts";

const HOUR_MS = 3_600_000;
const STARTS_MS = Date.parse("2026-11-01T00:00:00Z");
const ENDS_MS = Date.parse("2026-12-01T00:00:00Z");

const node = (name: string, changes: Partial<ReportedNode> = {}): ReportedNode => ({
  id: asNodeId(`node_${name}`),
  name,
  ownerName: "ada",
  joinedAtMs: 0,
  revokedAtMs: null,
  machine: "raspberry-pi-5-8",
  simulated: false,
  servingSecondsPerDay: 86_400,
  ...changes,
});

const member = (name: string, disabledAtMs: number | null = null, createdAtMs = 0) => ({
  id: asMemberId(`mem_${name}`),
  name,
  createdAtMs,
  disabledAtMs,
});

const row = (on: string | null, changes: Partial<UsageRow> = {}, tier: Tier = "edge"): UsageRow => ({
  day: "2026-11-03",
  place: on === null ? null : { node: asNodeId(`node_${on}`), model: "llama3.2:3b", tier },
  succeeded: 1,
  failed: 0,
  cancelled: 0,
  expired: 0,
  promptTokens: 1_000,
  outputTokens: 500,
  chargedTokens: 1_500,
  nodeMs: HOUR_MS,
  ...changes,
});

const record = (name: string, rows: readonly UsageRow[]): MemberRecord => ({
  member: member(name),
  usage: { ...sumsOfRows(rows), waits: [] },
  quota: { usedTokens: 0, heldTokens: 0, creditTokens: 0, floorTokens: null, limitTokens: null },
});

const MONEY = {
  currency: "SEK",
  electricityPerKwh: 2,
  hardwareMonths: 36,
  otherPerMonth: 60,
  machines: { "raspberry-pi-5-8": { price: 3_600, busyWatts: 10, idleWatts: 2 } },
  cloudPrices: [{ name: "A cloud", inputPerMillion: 10, outputPerMillion: 40 }],
};

function reportOf(records: readonly MemberRecord[], changes: Partial<MonthBasis> = {}, nowMs = ENDS_MS) {
  const period = monthPeriod(createCalendar("UTC"), "2026-11", nowMs);
  if (period === null) throw new Error("the month has begun");
  const report = createMonthReport({
    settings: { ...DEFAULT_SETTINGS, money: MONEY },
    period,
    nodes: [node("pi")],
    members: records.map(({ member: { name } }) => member(name)),
    ...changes,
  });
  for (const one of records) report.take(one);
  return report;
}

describe("a statement", () => {
  test("sums what was used by day, tier, model and node", () => {
    const ada = record("ada", [
      row("pi"),
      row("pi", { day: "2026-11-04", failed: 2 }),
      row(null, { succeeded: 0, expired: 1, promptTokens: 0, outputTokens: 0, chargedTokens: 0, nodeMs: 0 }),
    ]);
    const statement = reportOf([ada]).ofMember(ada);
    expect(statement.usage).toMatchObject({ succeeded: 2, failed: 2, expired: 1, chargedTokens: 3_000 });
    expect(statement.days.map(({ key, succeeded }) => [key, succeeded])).toEqual([
      ["2026-11-03", 1],
      ["2026-11-04", 1],
    ]);
    expect(statement.tiers.map(({ key }) => key)).toEqual(["edge", null]);
    expect(statement.nodes.map(({ name, energyKwh }) => [name, energyKwh])).toEqual([
      ["pi", 0.02],
      [null, 0],
    ]);
  });

  test("counts electricity by busy watts and node time, and fixed costs by the part of the month", () => {
    const ada = record("ada", [row("pi")]);
    const { costs, fleet } = reportOf([ada]).ofMember(ada);
    expect(costs.energyKwh).toBe(0.01);
    expect(costs.energy).toEqual({ amount: 0.02, without: [] });
    expect(costs.fixed.hardware.amount).toBe(100);
    expect(costs.fixed.idleElectricity.amount).toBeCloseTo((2 * (30 * 24 - 1) * 2) / 1_000, 6);
    expect(costs.fixed.other).toBe(60);
    expect(costs.cloud).toMatchObject([{ name: "A cloud", cost: 0.03 }]);
    expect(fleet.utilisation).toBeCloseTo(1 / (30 * 24), 9);
    const half = reportOf([ada], {}, STARTS_MS + 15 * 24 * HOUR_MS).ofMember(ada);
    expect(half.costs.fixed).toMatchObject({ hardware: { amount: 50 }, other: 30 });
  });

  test("of members share the fixed costs equally and together cost what the fleet does", () => {
    const records = [
      record("ada", [row("pi", { nodeMs: 1_234_567 })]),
      record("bo", [row("air", { nodeMs: 7_654_321 }, "local-small")]),
      record("cy", []),
    ];
    const report = reportOf(records, {
      nodes: [node("pi"), node("air", { servingSecondsPerDay: 36_000, joinedAtMs: STARTS_MS + 9 * HOUR_MS })],
    });
    const fleet = report.ofFleet();
    const own = records.map((one) => report.ofMember(one));
    expect(own.map(({ costs }) => costs.fixed.total.amount)).toEqual(
      own.map(() => own[0]?.costs.fixed.total.amount),
    );
    const together = own.reduce((sum, { costs }) => sum + costs.total.amount, 0);
    expect(together).toBeCloseTo(fleet.costs.total.amount, 4);
    expect(fleet.costs.total).toEqual(fleet.fleet.cost);
    expect(fleet.members.map(({ total }) => total)).toEqual(own.map(({ costs }) => costs.total));
    expect(fleet.usage.chargedTokens).toBe(3_000);
  });

  test("asks only members of the month to share, and nodes of the month to cost", () => {
    const ada = record("ada", []);
    const { costs, fleet } = reportOf([ada], {
      members: [
        member("ada"),
        member("left", STARTS_MS - 1),
        member("leaving", STARTS_MS + 1),
        member("later", null, ENDS_MS),
      ],
      nodes: [
        node("pi"),
        node("gone", { revokedAtMs: STARTS_MS }),
        node("half", { revokedAtMs: STARTS_MS + 15 * 24 * HOUR_MS }),
        node("next", { joinedAtMs: ENDS_MS }),
        node("resting", { servingSecondsPerDay: 0 }),
      ],
    }).ofMember(ada);
    expect(costs.fixed.sharedBy).toBe(2);
    expect(fleet.nodes.map(({ name, hardwareCost }) => [name, hardwareCost])).toEqual([
      ["pi", 100],
      ["half", 50],
      ["resting", 100],
    ]);
    expect(costs.fixed.hardware.amount).toBe(125);
  });

  test("names each price that is missing, in the amounts and with the remedy, and counts the others", () => {
    const ada = record("ada", [row("pi"), row("tower"), row("unlisted")]);
    const { costs, fleet, missingPrices, nodes } = reportOf([ada], {
      nodes: [node("pi"), node("tower", { machine: "m2-24" })],
    }).ofMember(ada);
    expect(costs.energy).toEqual({ amount: 0.02, without: ["node_unlisted", "tower"] });
    expect(costs.fixed.hardware).toEqual({ amount: 100, without: ["tower"] });
    expect(costs.perMillionTokens?.without).toEqual(["node_unlisted", "tower"]);
    expect(fleet.cost.without).toEqual(["node_unlisted", "tower"]);
    expect(nodes.find(({ name }) => name === "tower")).toMatchObject({ energyKwh: null, energyCost: null });
    expect(missingPrices.map(({ name }) => name)).toEqual(["tower", "node_unlisted"]);
    expect(missingPrices[0]?.remedy).toMatch(/coop\.yaml.*"tower".*"m2-24".*price.*busyWatts.*idleWatts/);
  });

  test("takes a node's own price before its machine's, and no price from a name that only looks like one", () => {
    const ada = record("ada", [row("pi"), row("constructor")]);
    const money = {
      ...MONEY,
      machines: { ...MONEY.machines, pi: { price: 360, busyWatts: 20, idleWatts: 0 } },
    };
    const { costs } = reportOf([ada], {
      settings: { ...DEFAULT_SETTINGS, money },
      nodes: [node("pi"), node("constructor", { machine: null })],
    }).ofMember(ada);
    expect(costs.energy).toEqual({ amount: 0.04, without: ["constructor"] });
    expect(costs.fixed.hardware).toEqual({ amount: 10, without: ["constructor"] });
  });

  test("of a month without use or nodes has no rates", () => {
    const ada = record("ada", []);
    const { costs, fleet, days } = reportOf([ada], { nodes: [] }).ofMember(ada);
    expect([costs.perMillionTokens, fleet.perMillionTokens, fleet.utilisation]).toEqual([null, null, null]);
    expect(days).toEqual([]);
  });
});
