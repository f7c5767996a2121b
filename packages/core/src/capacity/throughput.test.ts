import { expect, test } from "vitest";
import { buildModelCapacity, buildModelReport } from "../testing/index.ts";
import { throughputOf } from "./throughput.ts";

/** 1,000 tokens of prompt in 500 ms; a token in 8 ms alone, with no growth by context. */
const model = buildModelReport({ capacity: buildModelCapacity({ kvBytesPerToken: 0 }) });

test("one slot makes one ordinary job after the other", () => {
  expect(throughputOf([model], 1)).toEqual({ value: 1_200 / 2.1, basis: "measured" });
});

test("slots share the time of an output, at what the batch costs, but not that of a prompt", () => {
  expect(throughputOf([model], 4).value).toBeCloseTo(1_200 / (0.5 + (1.6 * 1.6) / 4), 9);
});

test("models take turns, so that the slow one weighs by its time", () => {
  const slow = {
    ...model,
    capacity: { ...model.capacity, prefillTokensPerSecond: { value: 100, basis: "prior" } },
  } as const;
  const both = throughputOf([model, slow], 1);
  expect(both.value).toBeCloseTo(2_400 / (2.1 + 11.6), 9);
  expect(both.basis).toBe("prior");
});

test("what a cloud serves and what makes no text is not the node's to give", () => {
  const cloud = { ...model, cloud: true };
  const embedder = { ...model, capabilities: ["embedding"] as const };
  expect(throughputOf([cloud, embedder], 4).value).toBe(0);
  expect(throughputOf([model, cloud, embedder], 1).value).toBe(throughputOf([model], 1).value);
  expect(throughputOf([model], 0).value).toBe(0);
});
