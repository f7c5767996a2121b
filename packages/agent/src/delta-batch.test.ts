import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Delta } from "@coop/core";
import { encodeFrame, MAX_AGENT_FRAME_BYTES } from "@coop/protocol";
import { asJobId } from "@coop/core";
import { BATCH_INTERVAL_MS, DeltaBatch } from "./delta-batch.ts";
import { createManualTiming } from "./testing/manual-timing.ts";

interface Flush {
  readonly atMs: number;
  readonly deltas: readonly Delta[];
  readonly tokens: number;
}

const bench = () => {
  const timing = createManualTiming();
  const flushes: Flush[] = [];
  const batch = new DeltaBatch(timing, (deltas, tokens) =>
    flushes.push({ atMs: timing.monotonicMs(), deltas, tokens }),
  );
  return { timing, flushes, batch };
};

const content = (text: string): Delta => ({ kind: "content", text });
const textOf = (flushes: readonly Flush[], kind: "content" | "reasoning"): string =>
  flushes
    .flatMap(({ deltas }) => deltas)
    .map((delta) => (delta.kind === kind ? delta.text : ""))
    .join("");

describe("a batch", () => {
  test("goes out at once first, then after 30 ms with all that came meanwhile", () => {
    const { timing, flushes, batch } = bench();
    batch.add(content("a"), 1);
    batch.add(content("b"), 1);
    batch.add(content("c"), 1);
    timing.advance(BATCH_INTERVAL_MS - 1);
    expect(flushes).toEqual([{ atMs: 0, deltas: [content("a")], tokens: 1 }]);
    timing.advance(1);
    expect(flushes.slice(1)).toEqual([{ atMs: 30, deltas: [content("bc")], tokens: 2 }]);
  });

  test("keeps to a beat that all batches share", () => {
    const timing = createManualTiming();
    const sentMs: number[][] = [[], []];
    const batches = sentMs.map((sent) => new DeltaBatch(timing, () => sent.push(timing.monotonicMs())));
    for (let atMs = 0; atMs < 200; atMs += 1) {
      for (const [index, batch] of batches.entries()) if (atMs >= 7 + 11 * index) batch.add(content("a"), 1);
      timing.advance(1);
    }
    expect(sentMs).toEqual([
      [7, 30, 60, 90, 120, 150, 180],
      [18, 60, 90, 120, 150, 180],
    ]);
  });

  test("does not hold back a piece that comes after a pause", () => {
    const { timing, flushes, batch } = bench();
    for (let count = 0; count < 5; count += 1) {
      batch.add(content("a"), 1);
      timing.advance(100);
    }
    expect(flushes.map(({ atMs }) => atMs)).toEqual([0, 100, 200, 300, 400]);
    expect(timing.pending).toBe(0);
  });

  test("keeps the order of kinds", () => {
    const { batch, flushes } = bench();
    batch.add({ kind: "reasoning", text: "0" }, 1);
    for (const delta of [
      { kind: "reasoning", text: "1" } as const,
      content("2"),
      content("3"),
      { kind: "reasoning", text: "4" } as const,
    ]) {
      batch.add(delta, 1);
    }
    batch.flush();
    expect(flushes[1]?.deltas).toEqual([
      { kind: "reasoning", text: "1" },
      content("23"),
      { kind: "reasoning", text: "4" },
    ]);
  });

  test("leaves no timer behind, flushed or discarded", () => {
    for (const end of ["flush", "discard"] as const) {
      const { timing, flushes, batch } = bench();
      batch.add(content("a"), 1);
      batch.add(content("b"), 1);
      batch[end]();
      batch[end]();
      expect(timing.pending).toBe(0);
      expect(textOf(flushes, "content")).toBe(end === "flush" ? "ab" : "a");
    }
  });
});

test("whatever an engine says is said again: all of it, in frames that fit", () => {
  const delta = fc.record({
    kind: fc.constantFrom("content" as const, "reasoning" as const),
    text: fc.oneof(
      fc.string({ unit: "grapheme", maxLength: 20 }),
      fc.integer({ min: 1, max: 60_000 }).map((n) => "\u0001🙂".repeat(n)),
    ),
  });
  const event = fc.record({ delta, tokens: fc.nat(5), waitMs: fc.nat(50) });
  fc.assert(
    fc.property(fc.array(event, { maxLength: 12 }), (events) => {
      const { timing, flushes, batch } = bench();
      for (const { delta, tokens, waitMs } of events) {
        batch.add(delta, tokens);
        timing.advance(waitMs);
      }
      batch.flush();
      for (const kind of ["content", "reasoning"] as const) {
        expect(textOf(flushes, kind)).toBe(
          events.map(({ delta }) => (delta.kind === kind ? delta.text : "")).join(""),
        );
      }
      expect(flushes.reduce((sum, { tokens }) => sum + tokens, 0)).toBe(
        events.reduce((sum, { tokens }) => sum + tokens, 0),
      );
      for (const { deltas, tokens } of flushes) {
        const frame = encodeFrame({ kind: "output", job: asJobId("job"), epoch: 1, seq: 1, deltas, tokens });
        expect(Buffer.byteLength(frame)).toBeLessThan(MAX_AGENT_FRAME_BYTES);
      }
    }),
    { numRuns: 60 },
  );
});
