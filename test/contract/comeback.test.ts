import { expect, test } from "vitest";
import { pauseBefore } from "../../packages/agent/src/supervisor.ts";
import { DEFAULT_TIMING } from "../../packages/scheduler/src/timing.ts";

/** Failures after which a pause grows no more. */
const MANY = 50;

test("a server that starts waits for its agents longer than they stay away between two tries", () => {
  const longestMs = pauseBefore(MANY, 0, { next: () => 1 });
  expect(DEFAULT_TIMING.amnestyMs).toBeGreaterThan(longestMs + 2 * DEFAULT_TIMING.handshakeMs);
});
