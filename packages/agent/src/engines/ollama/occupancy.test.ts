import { expect, test } from "vitest";
import { createOccupancy } from "./occupancy.ts";

function timingAt() {
  let nowMs = 1000;
  return {
    pass: (ms: number) => void (nowMs += ms),
    now: () => nowMs,
    monotonicMs: () => nowMs,
    after: () => () => undefined,
  };
}

test("a generation alone has the batch to itself", () => {
  const timing = timingAt();
  const stay = createOccupancy(timing).enter("a");
  timing.pass(500);
  expect(stay.leave()).toBe(1);
});

test("the mean follows those who come and go, whatever came before", () => {
  const timing = timingAt();
  const occupancy = createOccupancy(timing);
  const long = occupancy.enter("a");
  timing.pass(100);
  const short = occupancy.enter("a");
  occupancy.enter("b");
  timing.pass(100);
  expect(short.leave()).toBe(2);
  timing.pass(200);
  expect(long.leave()).toBe((100 + 200 + 200) / 400);
  expect(long.leave()).toBe(1.25);
});

test("rounding never makes it less than one", () => {
  const timing = timingAt();
  const occupancy = createOccupancy(timing);
  for (let round = 0; round < 1000; round += 1) {
    const stay = occupancy.enter("a");
    timing.pass(0.1 + round / 7);
    expect(stay.leave()).toBeGreaterThanOrEqual(1);
  }
});

test("a stay without length counts who was there", () => {
  const occupancy = createOccupancy(timingAt());
  const first = occupancy.enter("a");
  const second = occupancy.enter("a");
  expect(second.leave()).toBe(2);
  expect(first.leave()).toBe(1);
});
