import { describe, expect, test } from "vitest";
import { asMemberId } from "../terms.ts";
import { createAskedLately } from "./asked.ts";
import type { Asked } from "./asked.ts";
import { ASKED_MS } from "./window.ts";

const ada = asMemberId("mem_ada");
const bo = asMemberId("mem_bo");
const cy = asMemberId("mem_cy");
const NOON = Date.UTC(2026, 2, 1, 12);

const chat: Asked = { jobs: 1, promptTokens: 1_000, outputTokens: 150 };

/** Each member asks so many times for the same, in turn. */
function after(asking: readonly (readonly [member: typeof ada, times: number, asked: Asked])[]) {
  const lately = createAskedLately();
  for (const [member, times, asked] of asking) {
    for (let time = 0; time < times; time += 1) lately.ask(member, asked, NOON);
  }
  return lately;
}

describe("what members asked for lately", () => {
  test("half of everything is no flood, two thirds are", () => {
    const half = after([
      [ada, 40, chat],
      [bo, 20, chat],
      [cy, 20, chat],
    ]);
    expect(half.floods(ada)).toBe(false);
    for (let time = 0; time < 40; time += 1) half.ask(ada, chat, NOON);
    expect([ada, bo, cy].map(half.floods)).toEqual([true, false, false]);
  });

  test.each<[string, number, Asked]>([
    ["the most jobs, however small", 200, { jobs: 1, promptTokens: 5, outputTokens: 1 }],
    ["the longest prompts, however few", 20, { jobs: 1, promptTokens: 11_000, outputTokens: 50 }],
    ["the longest outputs, however few", 20, { jobs: 1, promptTokens: 100, outputTokens: 1_000 }],
  ])("who sends %s, floods", (_, times, asked) => {
    const lately = after([
      [bo, 40, chat],
      [cy, 40, chat],
      [ada, times, asked],
    ]);
    expect([ada, bo, cy].map(lately.floods)).toEqual([true, false, false]);
  });

  test("a few jobs are no flood, however large, and who is alone floods nobody", () => {
    const huge: Asked = { jobs: 1, promptTokens: 100_000, outputTokens: 1_000 };
    expect(
      after([
        [bo, 5, chat],
        [ada, 9, huge],
      ]).floods(ada),
    ).toBe(false);
    expect(after([[ada, 500, huge]]).floods(ada)).toBe(false);
  });

  test("counts as long ago as it was, in whatever order it is told", () => {
    const overnight = after([[bo, 20, chat]]);
    for (let time = 0; time < 500; time += 1) overnight.ask(ada, chat, NOON - 10 * ASKED_MS);
    expect(overnight.floods(ada)).toBe(false);
    for (let time = 0; time < 100; time += 1) overnight.ask(ada, chat, NOON - ASKED_MS / 2);
    expect(overnight.floods(ada)).toBe(true);
  });

  test("it is forgotten while others go on", () => {
    const lately = after([
      [bo, 20, chat],
      [ada, 60, chat],
    ]);
    expect(lately.floods(ada)).toBe(true);
    for (let minute = 1; minute <= 10; minute += 1) {
      for (let time = 0; time < 3; time += 1) lately.ask(bo, chat, NOON + (minute * ASKED_MS) / 10);
    }
    expect(lately.floods(ada)).toBe(false);
  });
});
