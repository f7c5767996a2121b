import { asJobId, OperationalError } from "@coop/core";
import { createMemoryJobStore, createMemoryOutputLog } from "@coop/core/testing";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { API_DEFAULTS } from "./deps.ts";
import { createFollowing } from "./following.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test("a mark that could not be renewed is renewed soon after the store is back, not a round later", async () => {
  const silent = (): void => undefined;
  const store = createMemoryJobStore({ output: createMemoryOutputLog(), onWake: silent });
  const renewedAtMs: number[] = [];
  let away = false;
  const following = createFollowing({
    clock: { now: () => Date.now() },
    desk: {
      ...store,
      async follow(jobs, untilMs) {
        if (away) throw new OperationalError("store-unavailable", "scripted", { retriable: true });
        renewedAtMs.push(Date.now());
        await store.follow(jobs, untilMs);
      },
    },
    log: { debug: silent, info: silent, warn: silent, error: silent },
    ...API_DEFAULTS,
  });
  const { followEveryMs } = API_DEFAULTS;
  following.enter(asJobId("job_1"), false);
  await vi.advanceTimersByTimeAsync(followEveryMs);
  expect(renewedAtMs).toHaveLength(1);

  away = true;
  await vi.advanceTimersByTimeAsync(followEveryMs * 1.5);
  away = false;
  const backAtMs = Date.now();
  await vi.advanceTimersByTimeAsync(followEveryMs);
  const [, first] = renewedAtMs;
  expect(first).toBeLessThanOrEqual(backAtMs + followEveryMs / 5);

  await vi.advanceTimersByTimeAsync(followEveryMs * 2);
  expect(renewedAtMs).toHaveLength(4);
});
