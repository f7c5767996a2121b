import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { COOLDOWN_MS, IDLE_MS, MemoryWatch } from "./memory-watch.ts";
import type { NodeMemory, Resident } from "./reporting.ts";
import { keepLines } from "./testing/bench.ts";

const resident = (name: string, keptUntilMs = 1): Resident => ({ name, bytes: 2e9, keptUntilMs });
const none: ReadonlySet<string> = new Set();
const short = (...residents: readonly Resident[]): NodeMemory => ({
  freeBytes: 0.5e9,
  keepFreeBytes: 1e9,
  residents,
});

function startWatch(pinned: readonly string[] = []) {
  const unloaded: string[] = [];
  let nowMs = 0;
  const watch = new MemoryWatch({
    pinned: () => pinned,
    log: keepLines([]),
    monotonicMs: () => nowMs,
    unload: (model) => void unloaded.push(model),
  });
  return { watch, unloaded, pass: (ms: number) => void (nowMs += ms) };
}

describe("when memory is short", () => {
  test("the model that was not used for longest leaves, then the next, with a cooldown between", () => {
    const { watch, unloaded, pass } = startWatch();
    watch.looked(short(resident("old"), resident("new")), "normal", none);
    pass(IDLE_MS);
    watch.looked(short(resident("old"), resident("new", 2)), "normal", none);
    expect(unloaded).toEqual(["old"]);
    pass(IDLE_MS);
    watch.looked(short(resident("old"), resident("new", 2)), "normal", none);
    expect(unloaded).toEqual(["old", "old"]);
    watch.looked(short(resident("new", 2)), "normal", none);
    pass(COOLDOWN_MS - 1);
    watch.looked(short(resident("new", 2)), "normal", none);
    expect(unloaded).toHaveLength(2);
    pass(1);
    watch.looked(short(resident("new", 2)), "normal", none);
    expect(unloaded).toEqual(["old", "old", "new"]);
  });

  test("a model that was used lately stays, but not under critical pressure", () => {
    const { watch, unloaded, pass } = startWatch();
    watch.looked(short(resident("a")), "warning", none);
    pass(IDLE_MS - 1);
    watch.looked(short(resident("a")), "warning", none);
    expect(unloaded).toEqual([]);
    watch.looked({ ...short(resident("a")), freeBytes: 9e9 }, "critical", none);
    expect(unloaded).toEqual(["a"]);
  });

  test("what the owner uses beside the co-op counts as used", () => {
    const { watch, unloaded, pass } = startWatch();
    for (let kept = 1; kept < 10; kept += 1) {
      watch.looked(short(resident("a", kept)), "normal", none);
      pass(IDLE_MS);
    }
    expect(unloaded).toEqual([]);
  });
});

test("where models live elsewhere, nothing leaves", () => {
  const { watch, unloaded, pass } = startWatch();
  const memory = { ...short(resident("a")), freeBytes: null };
  watch.looked(memory, "critical", none);
  pass(IDLE_MS * 2);
  watch.looked(memory, "critical", none);
  expect(unloaded).toEqual([]);
});

test("a model that is pinned or in use never leaves, and never two within a cooldown", () => {
  const names = ["a", "b", "c"];
  const look = fc.record({
    passMs: fc.nat(COOLDOWN_MS * 3),
    freeBytes: fc.constantFrom(null, 0, 0.9e9, 2e9),
    pressure: fc.constantFrom("normal" as const, "warning" as const, "critical" as const),
    residents: fc.subarray(names),
    inUse: fc.subarray(names),
    kept: fc.nat(2),
  });
  fc.assert(
    fc.property(fc.subarray(names), fc.array(look, { maxLength: 30 }), (pinned, looks) => {
      const { watch, unloaded, pass } = startWatch(pinned);
      let sinceMs = Number.POSITIVE_INFINITY;
      for (const { passMs, freeBytes, pressure, residents, inUse, kept } of looks) {
        pass(passMs);
        sinceMs += passMs;
        const before = unloaded.length;
        const memory = {
          freeBytes,
          keepFreeBytes: 1e9,
          residents: residents.map((name) => resident(name, kept)),
        };
        watch.looked(memory, pressure, new Set(inUse));
        if (unloaded.length === before) continue;
        expect(unloaded.length).toBe(before + 1);
        const left = unloaded.at(-1) ?? "";
        expect(residents).toContain(left);
        expect([...pinned, ...inUse]).not.toContain(left);
        expect(freeBytes === 0 || freeBytes === 0.9e9 || pressure === "critical").toBe(true);
        expect(sinceMs).toBeGreaterThanOrEqual(COOLDOWN_MS);
        sinceMs = 0;
      }
    }),
  );
});
