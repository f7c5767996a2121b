import { asJobId } from "@coop/core";
import { buildNodeReport } from "@coop/core/testing";
import { afterEach, beforeEach, expect, test } from "vitest";
import { MOST_FOREIGN_ENDS } from "./attempt-frames.ts";
import { createTestCoop, join } from "./testing/test-coop.ts";
import type { TestCoop } from "./testing/test-coop.ts";
import { leads, startTestScheduler } from "./testing/test-scheduler.ts";
import type { TestScheduler } from "./testing/test-scheduler.ts";
import type { Fate } from "./testing/unreliable-store.ts";

/** A node that says much while the store says nothing. */

let coop: TestCoop;
let server: TestScheduler;
let answer: PromiseWithResolvers<Fate>;
let asked: number;

beforeEach(async () => {
  coop = createTestCoop();
  answer = Promise.withResolvers();
  asked = 0;
  server = await startTestScheduler(coop.ports);
  await leads(server);
});
afterEach(() => server.stop());

const holdBack = (held: "settleNode" | "nodeAccount"): void => {
  coop.fate = (call) => {
    if (call !== held) return "works";
    asked += 1;
    return answer.promise;
  };
};

const usage = { promptTokens: 1, outputTokens: 1 };

test("ends of attempts that it does not hold are kept waiting up to a bound; beyond, the node is sent away", async () => {
  holdBack("settleNode");
  const agent = await join(server, await coop.register("studio"));
  for (let number = 1; number <= MOST_FOREIGN_ENDS; number += 1)
    agent.send({ kind: "aborted", job: asJobId(`job_old_${number}`), epoch: 1, usage });
  await expect.poll(() => asked).toBe(MOST_FOREIGN_ENDS);
  expect(agent.untaken("refused")).toEqual([]);

  agent.send({ kind: "aborted", job: asJobId("job_one_more"), epoch: 1, usage });
  expect(await agent.take("refused")).toMatchObject({ reason: "bad-frame", retryAfterMs: 10_000 });
  expect(asked).toBe(MOST_FOREIGN_ENDS);
  answer.resolve("works");
});

test("ends that the store has taken make room for others", async () => {
  const agent = await join(server, await coop.register("studio"));
  for (let round = 0; round < 3; round += 1) {
    for (let number = 1; number <= MOST_FOREIGN_ENDS / 2; number += 1)
      agent.send({ kind: "aborted", job: asJobId(`job_${round}_${number}`), epoch: 1, usage });
    for (let number = 1; number <= MOST_FOREIGN_ENDS / 2; number += 1) await agent.take("settled");
  }
  expect(agent.untaken("refused")).toEqual([]);
});

test("reports that come while its budget is asked for are answered together, with the last of them", async () => {
  const key = await coop.register("studio");
  const agent = await join(server, key, { report: buildNodeReport({ tokensPerDay: 1_000, slots: 1 }) });
  holdBack("nodeAccount");
  for (let slots = 2; slots <= 100; slots += 1)
    agent.send({ kind: "report", report: buildNodeReport({ tokensPerDay: 1_000 + slots, slots }) });
  await expect.poll(() => asked).toBe(1);
  // An answer to this comes after the reports were read.
  agent.send({ kind: "accepted", job: asJobId("job_unknown"), epoch: 1 });
  await agent.take("cancel");
  expect(asked).toBe(1);
  answer.resolve("works");
  const node = async () => (await coop.ports.board.read())?.nodes[0];
  await expect.poll(node).toMatchObject({ report: { slots: 100 }, budget: { dayLeftTokens: 1_100 } });
  expect(asked).toBe(2);
});
