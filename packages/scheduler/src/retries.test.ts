import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { wordsOf } from "./testing/scripted-agent.ts";
import type { ScriptedAgent } from "./testing/scripted-agent.ts";
import { createTestCoop, join } from "./testing/test-coop.ts";
import type { TestCoop } from "./testing/test-coop.ts";
import { leads, startTestScheduler } from "./testing/test-scheduler.ts";
import type { TestScheduler } from "./testing/test-scheduler.ts";

let coop: TestCoop;
let server: TestScheduler;

beforeEach(async () => {
  coop = createTestCoop();
  server = await startTestScheduler(coop.ports);
  await leads(server);
});
afterEach(() => server.stop());

const joinThree = async (): Promise<ScriptedAgent[]> => [
  await join(server, await coop.register("one")),
  await join(server, await coop.register("two")),
  await join(server, await coop.register("three")),
];

/** The agent that the job is assigned to next, with the assign. */
const assigned = (agents: readonly ScriptedAgent[]) =>
  vi.waitFor(async () => {
    const agent = agents.find((one) => one.untaken("assign").length > 0);
    if (agent === undefined) throw new Error("nothing was assigned");
    return { agent, assign: await agent.take("assign") };
  }, 5_000);

test("a job that fails on three nodes before its first byte fails, having tried each once", async () => {
  const agents = await joinThree();
  const job = await coop.submit();
  const tried = new Set<ScriptedAgent>();
  for (const epoch of [1, 2, 3]) {
    const { agent, assign } = await assigned(agents.filter((one) => !tried.has(one)));
    expect(assign.epoch).toBe(epoch);
    tried.add(agent);
    agent.send(wordsOf(assign).accepted());
    agent.send(wordsOf(assign).failed("engine-error"));
    await agent.take("settled", job);
  }
  await expect
    .poll(async () => (await coop.record(job)).state)
    .toMatchObject({ state: "failed", code: "engine-error", chargedTokens: 0 });
  expect(tried.size).toBe(3);
  expect(await coop.account()).toEqual({ usedTokens: 0, heldTokens: 0 });
  expect(await server.metrics.render()).toContain('coop_attempt_retries_total{failure="engine-error"} 2');
});

test("the only node that can serve a job gets all three attempts", async () => {
  const agent = await join(server, await coop.register("one"));
  const job = await coop.submit();
  for (const epoch of [1, 2, 3]) {
    const assign = await agent.take("assign");
    expect(assign).toMatchObject({ job, epoch });
    agent.send(wordsOf(assign).failed("out-of-memory"));
    await agent.take("settled");
  }
  expect(await coop.record(job)).toMatchObject({
    state: { state: "failed", code: "out-of-memory" },
    excludedNodes: ["node_one"],
  });
});

test("a busy node is tried again, and the attempt does not count", async () => {
  const agent = await join(server, await coop.register("one"));
  const job = await coop.submit();
  for (let epoch = 1; epoch <= 5; epoch += 1) {
    const assign = await agent.take("assign");
    expect(assign.epoch).toBe(epoch);
    agent.send(wordsOf(assign).rejected("busy"));
  }
  const say = wordsOf(await agent.take("assign"));
  agent.send(say.output(1, "at last"));
  agent.send(say.done(1, { promptTokens: 5, outputTokens: 2 }));
  await expect
    .poll(async () => (await coop.record(job)).state)
    .toMatchObject({ state: "succeeded", chargedTokens: 7 });
});

test("a node that is busy time and again does not keep a job from the others", async () => {
  const agents = [
    await join(server, await coop.register("one")),
    await join(server, await coop.register("two")),
  ];
  const job = await coop.submit();
  const { agent: busy, assign } = await assigned(agents);
  const sayBusy = ({ job: of, epoch, model }: typeof assign): void =>
    busy.send(wordsOf({ ...assign, job: of, epoch, model }).rejected("busy"));
  sayBusy(assign);
  const other = agents.find((agent) => agent !== busy);
  await vi.waitFor(async () => {
    if (busy.untaken("assign").length > 0) sayBusy(await busy.take("assign"));
    expect(other?.untaken("assign")).toMatchObject([{ job }]);
  }, 10_000);
  expect((await coop.record(job)).attempts).toBe(0);
});

test("a job that every node turns away is offered ever less often", async () => {
  const agent = await join(server, await coop.register("one"));
  const job = await coop.submit();
  for (let epoch = 1; epoch <= 6; epoch += 1) {
    const assign = await agent.take("assign");
    expect(assign).toMatchObject({ job, epoch });
    agent.send(wordsOf(assign).rejected("shutdown"));
    await agent.take("settled", job);
  }
  const turnedAwayAtMs = Date.now();
  const seventh = await agent.take("assign");
  expect(seventh).toMatchObject({ job, epoch: 7 });
  expect(Date.now() - turnedAwayAtMs).toBeGreaterThan(100);
});

test("what is the request's own fault ends the job at once", async () => {
  const agent = await join(server, await coop.register("one"));
  const job = await coop.submit();
  agent.send(wordsOf(await agent.take("assign")).failed("context-overflow"));
  await agent.take("settled");
  expect((await coop.record(job)).state).toMatchObject({ state: "failed", code: "context-overflow" });
});

test("an attached job that has shown output is not tried again: the member pays what was delivered", async () => {
  const agents = await joinThree();
  const job = await coop.submit({ attachment: "attached" });
  const { agent, assign } = await assigned(agents);
  const say = wordsOf(assign);
  agent.send(say.output(1, "Half a sen", 3));
  agent.send(say.failed("idle-timeout", 1));
  await agent.take("settled");
  expect((await coop.record(job)).state).toMatchObject({
    state: "failed",
    code: "idle-timeout",
    chargedTokens: 3,
  });
});

test("a detached job begins again from scratch on another node, and only the winning attempt is charged", async () => {
  const agents = await joinThree();
  const job = await coop.submit({ attachment: "detached" });
  const first = await assigned(agents);
  first.agent.send(wordsOf(first.assign).output(1, "Half a sen", 3));
  first.agent.send(wordsOf(first.assign).failed("truncated", 1));
  await first.agent.take("settled");
  const second = await assigned(agents.filter((agent) => agent !== first.agent));
  const say = wordsOf(second.assign);
  second.agent.send(say.output(1, "A whole sentence.", 4));
  second.agent.send(say.done(1, { promptTokens: 10, outputTokens: 4 }));
  await second.agent.take("settled");
  expect((await coop.record(job)).state).toMatchObject({ state: "succeeded", chargedTokens: 14 });
  const contents = (await coop.output(job)).flatMap(({ event }) =>
    event.kind === "deltas" ? event.deltas : [],
  );
  expect(contents).toEqual([{ kind: "content", text: "A whole sentence." }]);
});

test("an assign that is not accepted is revoked: another node takes the job, and the attempt does not count", async () => {
  await server.stop();
  server = await startTestScheduler(coop.ports, { acceptMs: 500 });
  await leads(server);
  const agents = await joinThree();
  const job = await coop.submit();
  const silent = await assigned(agents);
  expect(await silent.agent.take("cancel")).toMatchObject({ job, epoch: 1 });
  const second = await assigned(agents.filter((agent) => agent !== silent.agent));
  expect(second.assign).toMatchObject({ job, epoch: 2 });
  second.agent.send(wordsOf(second.assign).accepted());
  await expect.poll(async () => (await coop.record(job)).state.state).toBe("running");
  expect(await coop.record(job)).toMatchObject({
    attempts: 0,
    excludedNodes: [silent.assign.allowedNodes[0]],
  });

  silent.agent.send(wordsOf(silent.assign).aborted({ promptTokens: 0, outputTokens: 0 }));
  expect(await silent.agent.take("settled")).toMatchObject({ job, epoch: 1 });
});

test("a stored request that is no engine request fails its job instead of reaching a node", async () => {
  const agent = await join(server, await coop.register("one"));
  const job = await coop.submit({}, "{}");
  await expect
    .poll(async () => (await coop.record(job)).state)
    .toMatchObject({ state: "failed", code: "bad-request" });
  expect(agent.untaken("assign")).toEqual([]);
});

test("a job whose time is over is not offered again: it expires", async () => {
  await server.stop();
  server = await startTestScheduler(coop.ports, { amnestyMs: 3_000 });
  await leads(server);
  const agents = await joinThree();
  const deadlineMs = Date.now() + 1_000;
  const job = await coop.submit({ attachment: "detached", deadlineMs });
  const { agent, assign } = await assigned(agents);
  agent.send(wordsOf(assign).accepted());
  await vi.waitFor(() => expect(Date.now()).toBeGreaterThan(deadlineMs), 5_000);
  agent.send(wordsOf(assign).failed("total-timeout"));
  await agent.take("settled", job);
  await expect
    .poll(async () => (await coop.record(job)).state, { timeout: 8_000 })
    .toMatchObject({ state: "expired" });
  expect(agents.flatMap((one) => one.untaken("assign"))).toEqual([]);
  expect(server.scheduler.state()).toMatchObject({ pendingJobs: 0, runningAttempts: 0 });
});
