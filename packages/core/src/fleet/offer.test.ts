import { expect, test } from "vitest";
import { buildMachine, buildNodeReport } from "../testing/index.ts";
import { throughputOf } from "../capacity/throughput.ts";
import { DAYS_PER_MONTH, isNotableChange, offerOf } from "./offer.ts";

const machine = buildMachine();
const offered = (changes: Parameters<typeof buildNodeReport>[0]) =>
  offerOf(buildNodeReport(changes), machine, 7)?.tokensPerMonth ?? null;

test("an offer is what the node makes in its serving hours", () => {
  const report = buildNodeReport({ servingSecondsPerDay: 36_000 });
  const perSecond = throughputOf(report.models, report.slots).value;
  expect(offerOf(report, machine, 7)).toEqual({
    tokensPerMonth: Math.floor(perSecond * 36_000 * DAYS_PER_MONTH),
    servingSecondsPerDay: 36_000,
    machineProfile: "mac-studio-m4-max-128",
    simulated: false,
    atMs: 7,
  });
});

test("a budget bounds it, by the day or by the month, whichever is less", () => {
  expect(offered({ tokensPerDay: 1_000 })).toBe(Math.floor(1_000 * DAYS_PER_MONTH));
  expect(offered({ tokensPerDay: 1_000, tokensPerMonth: 20_000 })).toBe(20_000);
  expect(offered({ tokensPerDay: 0 })).toBe(0);
});

test("a node whose engine is away takes nothing back; one that never serves offers nothing", () => {
  expect(offered({ models: [] })).toBeNull();
  expect(offered({ servingSecondsPerDay: 0 })).toBe(0);
});

test("what was learned a little better is no new offer", () => {
  const offer = offerOf(buildNodeReport({ tokensPerMonth: 10_000 }), machine, 7);
  if (offer === null) throw new Error("it offers something");
  expect(isNotableChange(null, offer)).toBe(true);
  expect(isNotableChange(offer, { ...offer, tokensPerMonth: 10_200, atMs: 8 })).toBe(false);
  expect(isNotableChange(offer, { ...offer, tokensPerMonth: 9_799 })).toBe(true);
  expect(isNotableChange(offer, { ...offer, servingSecondsPerDay: 1 })).toBe(true);
  expect(isNotableChange({ ...offer, tokensPerMonth: 0 }, offer)).toBe(true);
});
