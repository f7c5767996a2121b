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
  const stay = createOccupancy(timing).decode("a");
  timing.pass(500);
  expect(stay.leave()).toEqual({ occupancy: 1, sharers: 1 });
});

test("the mean follows those who come and go, whatever came before", () => {
  const timing = timingAt();
  const occupancy = createOccupancy(timing);
  const long = occupancy.decode("a");
  timing.pass(100);
  const short = occupancy.decode("a");
  occupancy.decode("b");
  timing.pass(100);
  expect(short.leave().occupancy).toBe(2);
  timing.pass(200);
  expect(long.leave().occupancy).toBe((100 + 200 + 200) / 400);
  expect(long.leave().occupancy).toBe(1.25);
});

test("rounding never makes it less than one", () => {
  const timing = timingAt();
  const occupancy = createOccupancy(timing);
  for (let round = 0; round < 1000; round += 1) {
    const stay = occupancy.decode("a");
    timing.pass(0.1 + round / 7);
    const { occupancy: mean, sharers } = stay.leave();
    expect(Math.min(mean, sharers)).toBeGreaterThanOrEqual(1);
  }
});

test("a stay without length counts who was there", () => {
  const occupancy = createOccupancy(timingAt());
  const first = occupancy.decode("a");
  const second = occupancy.decode("a");
  expect(second.leave().occupancy).toBe(2);
  expect(first.leave().occupancy).toBe(1);
});

test("prompts and the batches of models take turns, generations of one batch together", () => {
  const timing = timingAt();
  const occupancy = createOccupancy(timing);
  const prompt = occupancy.read();
  timing.pass(100);
  const first = occupancy.decode("a");
  const second = occupancy.decode("a");
  timing.pass(100);
  expect(prompt.leave()).toBe(1.5);
  expect(prompt.leave()).toBe(1.5);
  const other = occupancy.decode("b");
  timing.pass(100);
  expect(first.leave()).toEqual({ occupancy: 2, sharers: 2 });
  timing.pass(100);
  expect(second.leave()).toEqual({ occupancy: 5 / 3, sharers: 2 });
  timing.pass(200);
  expect(other.leave()).toEqual({ occupancy: 1, sharers: 1.5 });
});
