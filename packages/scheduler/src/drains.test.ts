import { asNodeId } from "@coop/core";
import { buildNodeReport } from "@coop/core/testing";
import { afterEach, beforeEach, expect, test } from "vitest";
import { wordsOf } from "./testing/scripted-agent.ts";
import { createTestCoop, join } from "./testing/test-coop.ts";
import type { TestCoop } from "./testing/test-coop.ts";
import { leads, startTestScheduler } from "./testing/test-scheduler.ts";
import type { TestScheduler } from "./testing/test-scheduler.ts";

const STUDIO = asNodeId("node_studio");

let coop: TestCoop;
let server: TestScheduler;
beforeEach(async () => {
  coop = createTestCoop();
  server = await startTestScheduler(coop.ports, { amnestyMs: 0 });
  await leads(server);
});
afterEach(() => server.stop());

const studio = async () =>
  (await coop.ports.board.read())?.nodes.find(({ identity }) => identity.id === STUDIO);
const availability = async () => (await studio())?.report.availability;
const DRAINED = { kind: "closed", reason: "drained", untilMs: null };

test("a drained node finishes what it runs, gets nothing new before it is undrained, and stays drained when another scheduler leads", async () => {
  const key = await coop.register("studio");
  const agent = await join(server, key);
  const running = await coop.submit();
  const say = wordsOf(await agent.take("assign"));
  agent.send(say.accepted());
  await coop.ports.nodes.drainNode(STUDIO, Date.now());
  await expect.poll(availability).toEqual(DRAINED);

  agent.send(say.output(1, "one"));
  agent.send(say.done(1, { promptTokens: 10, outputTokens: 1 }));
  await agent.take("settled", running);
  expect((await coop.record(running)).state).toMatchObject({ state: "succeeded" });
  const waiting = await coop.submit();

  await server.stop();
  server = await startTestScheduler(coop.ports, { amnestyMs: 0 });
  await leads(server);
  const back = await join(server, key);
  await expect.poll(availability).toEqual(DRAINED);
  back.send({ kind: "report", report: buildNodeReport({ slots: 3 }) });
  await expect.poll(async () => (await studio())?.report).toMatchObject({ slots: 3, availability: DRAINED });
  expect((await coop.record(waiting)).state).toMatchObject({ state: "queued" });
  expect(back.untaken("assign")).toEqual([]);

  await coop.ports.nodes.drainNode(STUDIO, null);
  expect((await back.take("assign")).job).toBe(waiting);
});

test("word of a drain that was lost is heeded when wake-ups come back", async () => {
  const agent = await join(server, await coop.register("studio"));
  coop.muteWakeUps();
  await coop.ports.nodes.drainNode(STUDIO, Date.now());
  coop.unmuteWakeUps();
  await expect.poll(availability).toEqual(DRAINED);
  await coop.submit();
  coop.muteWakeUps();
  await coop.ports.nodes.drainNode(STUDIO, null);
  expect(agent.untaken("assign")).toEqual([]);
  coop.unmuteWakeUps();
  await agent.take("assign");
});
