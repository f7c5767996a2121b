import { expect, test } from "vitest";
import { readDuration, readShare, readTokens, writeDuration } from "./written.ts";

test.for([
  ["0", 0],
  ["500000", 500_000],
  ["500_000", 500_000],
  ["500k", 500_000],
  ["2M", 2_000_000],
  ["1.5m", 1_500_000],
  [" 0.25 g ", 250_000_000],
  ["1.5", null],
  ["-5", null],
  ["1e6", null],
  ["2MB", null],
  ["many", null],
  ["", null],
  ["9999999g", null],
] as const)("%j is %s tokens", ([text, tokens]) => {
  expect(readTokens(text)).toBe(tokens);
});

test.for([
  ["90s", 90_000, "1m 30s"],
  ["30m", 1_800_000, "30m"],
  ["1h30m", 5_400_000, "1h 30m"],
  ["2 h", null, ""],
  ["1d", 86_400_000, "1d"],
  ["0m", null, ""],
  ["400d", null, ""],
  ["2", null, ""],
  ["soon", null, ""],
] as const)("%j is %s ms, written %j", ([text, ms, written]) => {
  expect(readDuration(text)).toBe(ms);
  if (ms !== null) expect(writeDuration(ms)).toBe(written);
});

test.for([
  ["0.5", 0.5],
  ["50%", 0.5],
  ["1", 1],
  ["0", null],
  ["1.5", null],
  ["150%", null],
  ["half", null],
] as const)("%j is a share of %s", ([text, share]) => {
  expect(readShare(text)).toBe(share);
});
