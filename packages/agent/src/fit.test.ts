import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fitOf } from "./fit.ts";
import type { FitQuestion } from "./fit.ts";
import type { NodeMemory, NodeSnapshot } from "./reporting.ts";
import { machine, report } from "./testing/bench.ts";

const [template] = report.models;
if (template === undefined) throw new Error("the bench's node has no model");

const model = (name: string, gigabytes: number, loaded = false) => ({
  ...template,
  name,
  loaded,
  residentBytes: gigabytes * 1e9,
});
const snapshotOf = (changes: {
  readonly report?: Partial<NodeSnapshot["report"]>;
  readonly memory?: Partial<NodeMemory>;
  readonly engineProblem?: string;
}): NodeSnapshot => ({
  machine,
  report: {
    ...report,
    slots: 1,
    modelMemoryBytes: 20e9,
    models: [model("new:8b", 6), model("huge:70b", 40), model("old", 8, true), model("lately", 6, true)],
    ...changes.report,
  },
  engineProblem: changes.engineProblem ?? null,
  notAllowed: [],
  memory: {
    freeBytes: 30e9,
    keepFreeBytes: 2e9,
    residents: [
      { name: "lately", bytes: 6e9, keptUntilMs: 2 },
      { name: "old", bytes: 8e9, keptUntilMs: 1 },
    ],
    ...changes.memory,
  },
});
const ask = (name: string, changes: Parameters<typeof snapshotOf>[0] = {}, held: readonly string[] = []) =>
  fitOf({ model: name, snapshot: snapshotOf(changes), held: new Set(held), contextTokens: 8192 });

describe("a model fits", () => {
  test("beside what is there", () => {
    expect(ask("new:8b")).toMatchObject({ kind: "fits", needBytes: 6e9, loaded: false, unload: [] });
  });

  test("because it is there", () => {
    const critical = { report: { pressure: "critical" as const }, memory: { freeBytes: 0 } };
    expect(ask("old", critical)).toMatchObject({ kind: "fits", loaded: true, unload: [] });
  });

  test("once idle models leave, the least recently used first and no more than needed", () => {
    expect(ask("new:8b", { report: { modelMemoryBytes: 18e9 } })).toMatchObject({ unload: ["old"] });
    expect(ask("new:8b", { memory: { freeBytes: 2.1e9 } })).toMatchObject({ unload: ["old"] });
    expect(ask("new:8b", { report: { modelMemoryBytes: 7e9 } })).toMatchObject({ unload: ["old", "lately"] });
    expect(ask("new:8b", { memory: { freeBytes: 2.1e9 } }, ["old"])).toMatchObject({ unload: ["lately"] });
  });

  test("by the catalogue's figure when it is not installed", () => {
    expect(ask("qwen3:8b")).toMatchObject({ kind: "fits", source: "catalogue" });
    expect(ask("qwen3:32b")).toMatchObject({ kind: "does-not-fit", source: "catalogue" });
  });
});

describe("a model does not fit", () => {
  test.for([
    ["larger than what models may use", "huge:70b", {}, []],
    ["beside what must stay", "new:8b", { memory: { freeBytes: 2.1e9 } }, ["old", "lately"]],
    ["on a machine short of memory", "new:8b", { report: { pressure: "critical" as const } }, []],
  ] as const)("%s", ([, name, changes, held]) => {
    expect(ask(name, changes, held)).toMatchObject({ kind: "does-not-fit" });
  });
});

test.for([
  ["an engine that is away", "new:8b", { engineProblem: "no engine answers" }],
  ["a name that nobody knows", "nonsense", {}],
] as const)("nothing is known of %s", ([, name, changes]) => {
  expect(ask(name, changes)).toMatchObject({ kind: "unknown" });
});

test("what fits stays within the memory, and nothing that must stay leaves", () => {
  const names = ["a", "b", "c", "d"];
  const resident = fc.record({
    name: fc.constantFrom(...names),
    bytes: fc.integer({ min: 1, max: 10 }),
    keptUntilMs: fc.option(fc.nat(9)),
  });
  const question = fc.record({
    need: fc.integer({ min: 1, max: 30 }),
    share: fc.integer({ min: 1, max: 30 }),
    freeBytes: fc.option(fc.nat(30)),
    keepFreeBytes: fc.nat(5),
    residents: fc.uniqueArray(resident, { selector: ({ name }) => name }),
    held: fc.subarray(names),
  });
  fc.assert(
    fc.property(question, ({ need, share, freeBytes, keepFreeBytes, residents, held }) => {
      const asked: FitQuestion = {
        model: "new",
        held: new Set(held),
        contextTokens: 1,
        snapshot: snapshotOf({
          report: { modelMemoryBytes: share, models: [{ ...model("new", 0), residentBytes: need }] },
          memory: { freeBytes, keepFreeBytes, residents },
        }),
      };
      const fit = fitOf(asked);
      const idle = residents.filter(({ name }) => !held.includes(name));
      const sum = (of: readonly { readonly bytes: number }[]) =>
        of.reduce((all, { bytes }) => all + bytes, 0);
      const within = (gone: readonly { readonly bytes: number }[]) =>
        sum(residents) - sum(gone) + need <= share &&
        (freeBytes === null || freeBytes + sum(gone) - keepFreeBytes >= need);
      expect(fit.kind).toBe(within(idle) ? "fits" : "does-not-fit");
      if (fit.kind !== "fits") return;
      for (const name of fit.unload) expect(held).not.toContain(name);
      expect(within(residents.filter(({ name }) => fit.unload.includes(name)))).toBe(true);
    }),
  );
});
