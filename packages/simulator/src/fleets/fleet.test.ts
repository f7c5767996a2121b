import { describe, expect, test } from "vitest";
import { buildFleet, seedFleet } from "./fleet.ts";
import { parseFleet } from "./fleet-file.ts";

const unchanged = { without: [], add: [] };

describe("a fleet", () => {
  test("of a new co-op has a model of every tier, each machine what fits into it at once", () => {
    const { nodes } = buildFleet(seedFleet(), unchanged);
    expect(nodes.map(({ name, slots }) => [name, slots])).toEqual([
      ["mac-studio", 4],
      ["macbook-air", 2],
      ["raspberry-pi", 1],
    ]);
    expect(nodes[0]?.models.map(({ tier }) => tier)).toEqual(["edge", "local-small", "local-large"]);
    for (const { models, modelMemoryBytes } of nodes) {
      expect(models.reduce((sum, { residentBytes }) => sum + residentBytes, 0)).toBeLessThan(
        modelMemoryBytes,
      );
    }
    expect(nodes[1]?.cooling.lostWhenHot).toBeGreaterThan(0);
  });

  test("may lose nodes and gain machines of the catalogue by the beginning of their name", () => {
    const { nodes } = buildFleet(seedFleet(), {
      without: ["mac-studio"],
      add: [{ profile: "raspberry-pi-5", count: 2 }],
    });
    expect(nodes.map(({ name, index }) => [name, index])).toEqual([
      ["macbook-air", 0],
      ["raspberry-pi", 1],
      ["added-raspberry-pi-5-1", 2],
      ["added-raspberry-pi-5-2", 3],
    ]);
    expect(nodes[3]?.models.map(({ name }) => name)).toEqual(["llama3.2:3b"]);
    expect(new Set(nodes.map(({ id }) => id)).size).toBe(4);
  });

  test("of a file says what it leaves open by the catalogue, and what it does not by its word", () => {
    const text = JSON.stringify({
      nodes: [
        {
          profile: "m4-pro-48",
          name: "mini",
          count: 2,
          slots: 3,
          models: ["qwen3:8b"],
          tokensPerDay: 5_000,
          speed: 0.5,
        },
        { profile: "rtx-4090", absences: [{ fromS: 5, untilS: 9 }], lostWhenHot: 0.1 },
      ],
    });
    const { nodes } = buildFleet(parseFleet(text, "f.json"), unchanged);
    expect(nodes.map(({ name }) => name)).toEqual(["mini-1", "mini-2", "rtx-4090"]);
    const [mini, , gpu] = nodes;
    const model = mini?.models[0];
    expect([mini?.slots, mini?.tokensPerDay, gpu?.slots]).toEqual([3, 5_000, 4]);
    expect(model?.capacity.prefillTokensPerSecond.value).toBe(
      (model?.prior.prefillTokensPerSecond.value ?? 0) / 2,
    );
    expect([gpu?.absences, gpu?.cooling.lostWhenHot]).toEqual([[{ fromS: 5, untilS: 9 }], 0.1]);
  });

  test("gets the context that its work needs, as far as its models fit at once", () => {
    const contexts = (wantedTokens?: number) =>
      buildFleet(seedFleet(), unchanged, wantedTokens).nodes.map(({ models }) => models[0]?.contextTokens);
    expect(contexts()).toEqual([16_384, 16_384, 16_384]);
    expect(contexts(20_000)).toEqual([32_768, 16_384, 32_768]);
    expect(contexts(1_000_000)).toEqual([32_768, 16_384, 32_768]);
  });

  test.each([
    ["{", /is not JSON/],
    [`{"nodes": []}`, /nodes/],
    [`{"nodes": [{"profile": "rtx-4090", "slotz": 2}]}`, /nodes\.0.*slotz/],
    [`{"nodes": [{"profile": "rtx-4090", "absences": [{"fromS": 5, "untilS": 5}]}]}`, /ends after it begins/],
    [`{"nodes": [{"profile": "commodore-64"}]}`, /commodore-64.*rtx-4090/],
    [`{"nodes": [{"profile": "mac-studio"}]}`, /not one of the machines/],
  ])("refuses the file %s", (text, message) => {
    expect(() => parseFleet(text, "f.json")).toThrow(message);
  });

  test("refuses what it cannot build", () => {
    const build = (nodes: object[]) => buildFleet(parseFleet(JSON.stringify({ nodes }), "f.json"), unchanged);
    expect(() => build([{ profile: "raspberry-pi-5", models: ["qwen3:32b"] }])).toThrow(/does not fit/);
    expect(() => build([{ profile: "raspberry-pi-5", models: ["hal:9000b"] }])).toThrow(
      /hal:9000b.*catalogue/,
    );
    expect(() => buildFleet(seedFleet(), { without: ["nas"], add: [] })).toThrow(/"nas".*mac-studio/);
    const all = ["mac-studio", "macbook-air", "raspberry-pi"];
    expect(() => buildFleet(seedFleet(), { without: all, add: [] })).toThrow(/No node is left/);
  });
});
