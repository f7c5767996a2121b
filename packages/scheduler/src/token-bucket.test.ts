import { createManualClock } from "@coop/core/testing";
import { expect, test } from "vitest";
import { createTokenBucket } from "./token-bucket.ts";

test("a burst passes, then the rate; a refusal says how long to wait", () => {
  const clock = createManualClock();
  const bucket = createTokenBucket({ clock }, 2, 4);
  expect([bucket.take(), bucket.take(), bucket.take()]).toEqual([0, 0, 250]);
  clock.advance(249);
  expect(bucket.take()).toBeGreaterThan(0);
  clock.advance(1);
  expect([bucket.take(), bucket.take()]).toEqual([0, 250]);
});

test("a long rest fills it to the burst, no further; a clock that goes back takes nothing away", () => {
  const clock = createManualClock();
  const bucket = createTokenBucket({ clock }, 2, 4);
  clock.advance(60_000);
  expect([bucket.take(), bucket.take()]).toEqual([0, 0]);
  expect(bucket.take()).toBeGreaterThan(0);
  clock.advance(-5_000);
  expect(bucket.take()).toBe(250);
});
