import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { SessionEnd } from "./session.ts";
import { pauseBefore, superviseConnection } from "./supervisor.ts";
import { keepLines, nextRound } from "./testing/bench.ts";
import { createManualTiming } from "./testing/manual-timing.ts";
import { transportTo } from "./transport.ts";

test("pauses are drawn from zero up to a bound that doubles to 30 s, after what the server asked for", () => {
  const bounds = [1, 2, 3, 4, 5, 6, 7, 8, 50].map((failures) => pauseBefore(failures, 0, { next: () => 1 }));
  expect(bounds).toEqual([500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 2_000 }),
      fc.nat(),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (failures, askedMs, draw) => {
        const pauseMs = pauseBefore(failures, askedMs, { next: () => draw });
        const asked = Math.min(askedMs, 300_000);
        expect(pauseMs).toBeGreaterThanOrEqual(asked);
        expect(pauseMs).toBeLessThanOrEqual(asked + 30_000);
      },
    ),
  );
});

test("the pause grows while connections fail or hardly hold, and falls back after one that held", async () => {
  const timing = createManualTiming();
  const stop = new AbortController();
  const ended = (servedMs: number | null): SessionEnd => ({
    kind: "ended",
    reason: "gone",
    servedMs,
    retryAfterMs: null,
  });
  const ends = [ended(null), ended(null), ended(9_999), ended(null), ended(10_000), ended(null)];
  const pauses: number[] = [];
  const supervision = superviseConnection(
    {
      serverUrl: "http://127.0.0.1:1",
      plaintextAllowed: false,
      timing,
      random: { next: () => 1 },
      log: keepLines([]),
      connect: () => Promise.resolve(ends.shift() ?? ended(null)),
      onPause: (_reason, pauseMs) => {
        pauses.push(pauseMs);
        if (ends.length === 0) stop.abort();
      },
    },
    stop.signal,
  );
  while (!stop.signal.aborted) {
    timing.advance(30_000);
    await nextRound();
  }
  expect(await supervision).toEqual({ kind: "stopped" });
  expect(pauses).toEqual([500, 1_000, 2_000, 4_000, 500, 1_000]);
  expect(timing.pending).toBe(0);
});

describe("a way without TLS", () => {
  test.for([
    ["https://coop.example", "wss://coop.example/nodes/connect"],
    ["https://coop.example/base/", "wss://coop.example/base/nodes/connect"],
    ["http://127.0.0.1:7070", "ws://127.0.0.1:7070/nodes/connect"],
    ["http://127.9.9.9", "ws://127.9.9.9/nodes/connect"],
    ["http://[::1]:7070", "ws://[::1]:7070/nodes/connect"],
    ["http://localhost:7070", "ws://localhost:7070/nodes/connect"],
    ["ws://localhost:7070", "ws://localhost:7070/nodes/connect"],
  ] as const)("or within this machine is usable: %s", ([url, socketUrl]) => {
    expect(transportTo(url, false)).toEqual({ kind: "usable", socketUrl });
  });

  test.for([
    "http://192.168.1.2:7070",
    "http://127.0.0.1.example",
    "http://localhost.example",
    "http://10.0.0.1",
  ])("beyond it needs the owner's word: %s", (url) => {
    expect(transportTo(url, false)).toMatchObject({
      kind: "refused",
      message: expect.stringContaining("--allow-plaintext"),
    });
    expect(transportTo(url, true)).toMatchObject({ kind: "usable" });
  });

  test.for(["coop.example", "ftp://coop.example", ""])("or without a way at all: %j", (url) => {
    expect(transportTo(url, true)).toMatchObject({ kind: "refused" });
  });
});
