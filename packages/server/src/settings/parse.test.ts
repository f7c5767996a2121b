import { DEFAULT_SETTINGS, findMachineProfile } from "@coop/core";
import type { CoopSettings } from "@coop/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseSettings } from "./parse.ts";
import { settingsTemplate } from "./template.ts";

const read = (source: string): CoopSettings => {
  const parsed = parseSettings(source, "Europe/Stockholm");
  if (parsed.kind === "problems") throw new Error(JSON.stringify(parsed.problems));
  return parsed.settings;
};

/** Each as `line field`, then the message. */
const problems = (source: string): readonly (readonly [string, string])[] => {
  const parsed = parseSettings(source, "UTC");
  if (parsed.kind === "settings") throw new Error("it was read");
  return parsed.problems.map(({ line, field, message }) => [`${line} ${field}`.trim(), message]);
};

describe("parseSettings", () => {
  it("reads the file that a server writes as the defaults", () => {
    expect(read(settingsTemplate("UTC"))).toEqual(DEFAULT_SETTINGS);
  });

  it("knows each kind of machine that the defaults price", () => {
    for (const profile of Object.keys(DEFAULT_SETTINGS.money.machines))
      expect(findMachineProfile(profile), profile).not.toBeNull();
  });

  it.each(["", "# nothing but a remark\n", "\uFEFF", "quotas:\n", "money:\n  machines:\n  currency:\n"])(
    "takes the defaults, in the machine's time zone, from %j",
    (source) => {
      expect(read(source)).toEqual({ ...DEFAULT_SETTINGS, timeZone: "Europe/Stockholm" });
    },
  );

  it("reads what a co-op changed and leaves the rest", () => {
    const source = [
      "name: Kvarnen",
      "timeZone: America/New_York",
      "quotas:",
      "  tokensPerMonth: 20_000_000",
      "  tierTokensPerMonth: {local-large: 5000000}",
      "  jobsAtOnce: 4",
      "contribution:",
      "  creditPerMille:",
      "    frontier: 100",
      "retention: 7d",
      "money:",
      "  currency: EUR",
      "  machines:",
      "    studio: {price: 1_200.50, busyWatts: 60, idleWatts: 8.5}",
      "  cloudPrices: []",
    ].join("\r\n");
    expect(read(source)).toEqual({
      name: "Kvarnen",
      timeZone: "America/New_York",
      quotas: {
        tokensPerMonth: { kind: "tokens", tokens: 20_000_000 },
        tierTokensPerMonth: { "local-large": 5_000_000 },
        jobsAtOnce: 4,
        requestsPerMinute: null,
      },
      contribution: { creditPerMille: { ...DEFAULT_SETTINGS.contribution.creditPerMille, frontier: 100 } },
      retentionMs: 7 * 86_400_000,
      money: {
        ...DEFAULT_SETTINGS.money,
        currency: "EUR",
        machines: { studio: { price: 1_200.5, busyWatts: 60, idleWatts: 8.5 } },
        cloudPrices: [],
      },
    });
  });

  it("reads 0 as: until delivered", () => {
    expect(read("retention: 0").retentionMs).toBe(0);
    expect(read("retention: '0'").retentionMs).toBe(0);
    expect(read("quotas: {tokensPerMonth: unlimited}").quotas.tokensPerMonth).toEqual({ kind: "unlimited" });
    expect(read("quotas: {shareOfCapacity: 0.8}").quotas.tokensPerMonth).toEqual({
      kind: "equal-share",
      shareOfCapacity: 0.8,
    });
  });

  it.each([
    ["quotas:\n  tokenPerMonth: 3", "2 quotas.tokenPerMonth", "nearest name is tokensPerMonth"],
    [
      "quotas:\n  tierTokensPerMonth:\n    local-lage: 5",
      "3 quotas.tierTokensPerMonth.local-lage",
      "local-large",
    ],
    ["curency: SEK", "1 curency", "is not known here"],
    ["\n\nmoney:\n  electricityPerKwh: -2", "4 money.electricityPerKwh", "is -2; it takes a price"],
    ["money: {electricityPerKwh: .inf}", "1 money.electricityPerKwh", "is Infinity"],
    ["money:\n  currency: Kronor", "2 money.currency", "ISO 4217"],
    ["timeZone: Europe/Stokholm", "1 timeZone", "the nearest is Europe/Stockholm"],
    ["timeZone: 3", "1 timeZone", "takes an IANA time zone"],
    ["quotas:\n  tokensPerMonth: -1", "2 quotas.tokensPerMonth", '"equal-share" or "unlimited"'],
    ["quotas:\n  tokensPerMonth: 1.5", "2 quotas.tokensPerMonth", "is 1.5"],
    ["quotas:\n  jobsAtOnce: 0", "2 quotas.jobsAtOnce", "takes a whole number from 1"],
    ["quotas:\n  shareOfCapacity: 1.2", "2 quotas.shareOfCapacity", "at most 1"],
    ["contribution:\n  creditPerMille:\n    edge: 1_001", "3 contribution.creditPerMille.edge", "1,000"],
    ["retention: 40d", "1 retention", "at most 30d"],
    ["retention: soon", "1 retention", 'is "soon"; it takes a time such as 90m'],
    ["money:\n  hardwareMonths: 0", "2 money.hardwareMonths", "from 1 to 240"],
    [
      "money:\n  machines:\n    studio:\n      busyWatts: 3\n      idleWatts: 1",
      "3 money.machines.studio.price",
      "is missing",
    ],
    [
      "money:\n  machines:\n    studio:\n      price:\n      busyWatts: 3\n      idleWatts: 1",
      "4 money.machines.studio.price",
      "is missing",
    ],
    [
      "money:\n  machines:\n    s: {price: 1, busyWatts: 1,\n        idleWatts: 2}",
      "4 money.machines.s.idleWatts",
      "no more than busyWatts",
    ],
    [
      "money:\n  cloudPrices:\n    - {name: A, inputPerMillion: 1, outputPerMillion: 2}\n    - {name: A, inputPerMillion: 1, outputPerMillion: 2}",
      "4 money.cloudPrices[1].name",
      "no other price has",
    ],
    ["money:\n  cloudPrices: 3", "2 money.cloudPrices", "a list of prices"],
    ["name: a\ntimeZone: UTC\nname: b", "3 name", "a second time"],
    ["quotas:\n\tjobsAtOnce: 3", "2", "a tab"],
    ["name: a\n---\nname: b", "2", "second document"],
    ["quotas: &q {}\nmoney: *q", "2", "stands for another part"],
    ["name: 'open", "1", "'open"],
    ["just words", "1", "takes settings by name"],
    ["- a\n- b", "1", "takes settings by name"],
  ])("names line and field of %j", (source, place, message) => {
    expect(problems(source)).toEqual([[place, expect.stringContaining(message)]]);
  });

  it("tells everything that is wrong at once, in the order of the lines", () => {
    const source = "money:\n  currency: SKE\n  hardwareMonths: 0\nname: ''\nretentoin: 3d\n";
    expect(problems(source).map(([place]) => place)).toEqual([
      "2 money.currency",
      "3 money.hardwareMonths",
      "4 name",
      "5 retentoin",
    ]);
  });

  it("answers to any text, and never throws", () => {
    const lines = settingsTemplate("UTC").split("\n");
    const shuffled = fc.shuffledSubarray(lines, { maxLength: 30 }).map((some) => some.join("\n"));
    fc.assert(
      fc.property(fc.oneof(fc.string(), shuffled), (source) => {
        expect(["settings", "problems"]).toContain(parseSettings(source, "UTC").kind);
      }),
    );
  });
});
