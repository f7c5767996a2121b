import type { JobId } from "@coop/core";
import { buildNodeReport } from "@coop/core/testing";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { wordsOf } from "./testing/scripted-agent.ts";
import { createTestCoop, dialAs, join } from "./testing/test-coop.ts";
import type { TestCoop } from "./testing/test-coop.ts";
import { leads, startTestScheduler } from "./testing/test-scheduler.ts";
import type { TestScheduler } from "./testing/test-scheduler.ts";
import type { Fate } from "./testing/unreliable-store.ts";

const SHORT_LEASE = { amnestyMs: 0, leaseMs: 1_000 };

let coop: TestCoop;
let server: TestScheduler;

beforeEach(async () => {
  coop = createTestCoop();
  server = await startTestScheduler(coop.ports, { amnestyMs: 0 });
  await leads(server);
});
afterEach(() => server.stop());

/** Starts the scheduler anew with leases short enough to wait for. */
const leaseShortly = async (): Promise<void> => {
  await server.stop();
  server = await startTestScheduler(coop.ports, SHORT_LEASE);
  await leads(server);
};

const leaseUntilMs = async (job: JobId): Promise<number> => {
  const { state } = await coop.record(job);
  return "leaseUntilMs" in state ? state.leaseUntilMs : 0;
};

describe("a node that comes back before its lease lapses", () => {
  test("goes on where the store has its output, and the job is charged once", async () => {
    const key = await coop.register("studio");
    const agent = await join(server, key);
    const job = await coop.submit();
    const say = wordsOf(await agent.take("assign"));
    agent.send(say.accepted());
    agent.send(say.output(1, "one "));
    await agent.take("ack");
    await agent.drop();
    await expect
      .poll(() => server.scheduler.state())
      .toMatchObject({ connectedNodes: 0, runningAttempts: 1 });

    const back = await join(server, key, { running: [say.running(3)] });
    expect(back.welcome.running).toEqual([{ verdict: "resume", job, epoch: 1, fromSeq: 2 }]);
    back.send(say.output(2, "two "));
    back.send(say.output(3, "three"));
    back.send(say.done(3, { promptTokens: 10, outputTokens: 3 }));
    await back.take("settled", job);
    expect((await coop.record(job)).state).toMatchObject({ state: "succeeded", chargedTokens: 13 });
    expect(coop.settlements(job)).toEqual(["succeeded"]);
  });

  test("after its end was kept but not heard is told to forget it", async () => {
    const key = await coop.register("studio");
    const agent = await join(server, key);
    const job = await coop.submit();
    const say = wordsOf(await agent.take("assign"));
    agent.send(say.done(0, { promptTokens: 10, outputTokens: 3 }));
    await expect.poll(async () => (await coop.record(job)).state.state).toBe("succeeded");
    await agent.drop();
    const back = await join(server, key, { running: [say.running(0)] });
    expect(back.welcome.running).toEqual([{ verdict: "abandon", job, epoch: 1 }]);
    back.send(say.aborted({ promptTokens: 10, outputTokens: 3 }));
    await back.take("settled", job);
    expect(coop.settlements(job)).toEqual(["succeeded"]);
    expect(await coop.account()).toEqual({ usedTokens: 13, heldTokens: 0 });
  });

  test("without the attempt that it ran has lost it: the job is tried elsewhere at once", async () => {
    const key = await coop.register("studio");
    const agent = await join(server, key);
    const job = await coop.submit();
    agent.send(wordsOf(await agent.take("assign")).accepted());
    await expect.poll(async () => (await coop.record(job)).state.state).toBe("running");
    await agent.drop();
    const other = await join(server, await coop.register("other"));
    await join(server, key, { running: [] });
    expect(await other.take("assign")).toMatchObject({ job, epoch: 2 });
    expect(await coop.record(job)).toMatchObject({ attempts: 1, excludedNodes: ["node_studio"] });
  });

  test("without an assign that it never got keeps its chance", async () => {
    const key = await coop.register("studio");
    const agent = await join(server, key);
    const job = await coop.submit();
    await agent.take("assign");
    await agent.drop();
    const back = await join(server, key, { running: [] });
    expect(await back.take("assign")).toMatchObject({ job, epoch: 2 });
    expect(await coop.record(job)).toMatchObject({ attempts: 0, excludedNodes: [] });
  });

  test("while a job is being leased to it takes no more than it has slots for", async () => {
    const key = await coop.register("studio");
    const report = buildNodeReport({ slots: 1 });
    await join(server, key, { report });
    const asked = Promise.withResolvers<void>();
    const answer = Promise.withResolvers<Fate>();
    coop.fate = (call) => {
      if (call !== "lease") return "works";
      asked.resolve();
      return answer.promise;
    };
    const job = await coop.submit();
    await asked.promise;
    const back = await join(server, key, { report });
    answer.resolve("works");
    const assign = await back.take("assign", job);
    const next = await coop.submit();
    await expect.poll(() => server.scheduler.state()).toMatchObject({ pendingJobs: 1, runningAttempts: 1 });
    back.send(wordsOf(assign).done(0, { promptTokens: 1, outputTokens: 0 }));
    expect((await back.take("assign")).job).toBe(next);
  });

  test("naming an attempt of another node gets no say over it", async () => {
    const agent = await join(server, await coop.register("studio"));
    const job = await coop.submit();
    const say = wordsOf(await agent.take("assign"));
    agent.send(say.accepted());
    const thief = await join(server, await coop.register("thief"), { running: [say.running(0)] });
    expect(thief.welcome.running).toEqual([{ verdict: "abandon", job, epoch: 1 }]);
    agent.send(say.done(0, { promptTokens: 1, outputTokens: 0 }));
    await agent.take("settled", job);
    expect((await coop.record(job)).state).toMatchObject({ state: "succeeded", node: "node_studio" });
  });
});

describe("a node that does not come back", () => {
  test("loses the job to another node when its lease lapses; its late words change nothing", async () => {
    await leaseShortly();
    const key = await coop.register("studio");
    const agent = await join(server, key);
    const job = await coop.submit();
    const say = wordsOf(await agent.take("assign"));
    agent.send(say.accepted());
    await agent.drop();
    const other = await join(server, await coop.register("other"));
    const second = await other.take("assign");
    expect(second).toMatchObject({ job, epoch: 2 });

    const back = await join(server, key, { running: [say.running(1)] });
    expect(back.welcome.running).toEqual([{ verdict: "abandon", job, epoch: 1 }]);
    back.send(say.output(1, "too late"));
    back.send(say.done(1, { promptTokens: 5, outputTokens: 5 }));
    await back.take("settled", job);

    const told = wordsOf(second);
    other.send(told.output(1, "in time"));
    other.send(told.done(1, { promptTokens: 10, outputTokens: 2 }));
    await other.take("settled", job);
    expect((await coop.record(job)).state).toMatchObject({
      state: "succeeded",
      node: "node_other",
      chargedTokens: 12,
    });
    expect(coop.settlements(job)).toEqual(["node-settled", "succeeded"]);
    expect(
      (await coop.output(job)).flatMap(({ event }) => (event.kind === "deltas" ? event.deltas : [])),
    ).toEqual([{ kind: "content", text: "in time" }]);
  });

  test("keeps its lease while it is connected, however long it takes", async () => {
    await leaseShortly();
    const agent = await join(server, await coop.register("studio"));
    const job = await coop.submit();
    agent.send(wordsOf(await agent.take("assign")).accepted());
    const first = await leaseUntilMs(job);
    await expect
      .poll(() => leaseUntilMs(job), { timeout: 5_000 })
      .toBeGreaterThan(first + SHORT_LEASE.leaseMs);
    expect(await coop.record(job)).toMatchObject({ state: { state: "running" }, epoch: 1 });
  });
});

describe("an attempt that is ended from two sides at once", () => {
  test("is tried again once: no second assign, no slot forgotten", async () => {
    await leaseShortly();
    const key = await coop.register("studio");
    const agent = await join(server, key);
    const job = await coop.submit({ attachment: "detached" });
    agent.send(wordsOf(await agent.take("assign")).accepted());
    await expect.poll(async () => (await coop.record(job)).state.state).toBe("running");
    const report = buildNodeReport({ slots: 1 });
    const other = await join(server, await coop.register("other"), { report });

    const bothAsked = Promise.withResolvers<void>();
    let expiries = 0;
    const leased = Promise.withResolvers<Fate>();
    coop.fate = async (call) => {
      if (call === "lease") return leased.promise;
      if (call !== "expire") return "works";
      expiries += 1;
      if (expiries === 2) bothAsked.resolve();
      await bothAsked.promise;
      return "works";
    };
    await agent.drop();
    await expect.poll(() => expiries, { timeout: 5_000 }).toBe(1);
    const back = dialAs(server, key, { slots: 0 });
    await back.hello();
    await back.take("welcome");
    leased.resolve("works");

    const assign = await other.take("assign");
    expect(assign).toMatchObject({ job, epoch: 2 });
    const next = await coop.submit({ attachment: "detached" });
    await expect.poll(() => server.scheduler.state()).toMatchObject({ pendingJobs: 1 });
    other.send(wordsOf(assign).done(0, { promptTokens: 1, outputTokens: 0 }));
    expect(await other.take("assign")).toMatchObject({ job: next });
    expect(await coop.record(job)).toMatchObject({ epoch: 2, state: { state: "succeeded" } });
  });
});

describe("a scheduler that starts anew", () => {
  test("adopts what agents run, places what was pending, and remembers who is not there", async () => {
    const key = await coop.register("studio");
    const agent = await join(server, key);
    const jobs = [await coop.submit(), await coop.submit(), await coop.submit(), await coop.submit()];
    const words = [];
    for (const job of jobs) words.push(wordsOf(await agent.take("assign", job)));
    const [job] = jobs;
    const [say] = words;
    if (job === undefined || say === undefined) throw new Error("four jobs were assigned");
    agent.send(say.accepted());
    agent.send(say.output(1, "before "));
    await agent.take("ack");
    await join(server, await coop.register("absent"), { report: buildNodeReport({ slots: 0 }) });
    await expect.poll(async () => (await coop.ports.board.read())?.nodes.length).toBe(2);
    await server.stop();
    await agent.gone;
    const waiting = await coop.submit();

    await using next = await startTestScheduler(coop.ports);
    await leads(next);
    await expect
      .poll(() => next.scheduler.state())
      .toMatchObject({ fence: 2, pendingJobs: 1, runningAttempts: 0 });
    const seen = async () =>
      (await coop.ports.board.read())?.nodes.map((node) => [node.identity.name, node.connected]);
    await expect.poll(seen).toEqual([
      ["studio", false],
      ["absent", false],
    ]);

    const back = await join(next, key, { running: words.map((one) => one.running(1)) });
    expect(back.welcome.running.map(({ verdict }) => verdict)).toEqual([
      "resume",
      "resume",
      "resume",
      "resume",
    ]);
    expect(back.welcome.running[0]).toEqual({ verdict: "resume", job, epoch: 1, fromSeq: 2 });
    expect(next.scheduler.state()).toMatchObject({ runningAttempts: 4, pendingJobs: 1 });
    back.send(say.output(2, "after"));
    back.send(say.done(2, { promptTokens: 10, outputTokens: 2 }));
    await back.take("settled", job);
    expect((await coop.record(job)).state).toMatchObject({ state: "succeeded", chargedTokens: 12 });
    expect((await back.take("assign")).job).toBe(waiting);
  });

  test("spares what runs while it does not know who is alive", async () => {
    await leaseShortly();
    const key = await coop.register("studio");
    const agent = await join(server, key);
    const job = await coop.submit();
    const say = wordsOf(await agent.take("assign"));
    agent.send(say.accepted());
    await expect.poll(async () => (await coop.record(job)).state.state).toBe("running");
    await server.stop();

    await using next = await startTestScheduler(coop.ports, { amnestyMs: 60_000 });
    await leads(next);
    const untilMs = await leaseUntilMs(job);
    let sweepsAfterLapse = 0;
    coop.fate = (call) => {
      if (call === "sweep" && Date.now() > untilMs) sweepsAfterLapse += 1;
      return "works";
    };
    await expect.poll(() => sweepsAfterLapse, { timeout: 5_000 }).toBeGreaterThan(1);
    expect((await coop.record(job)).state.state).toBe("running");
    const back = await join(next, key, { running: [say.running(0)] });
    expect(back.welcome.running).toEqual([{ verdict: "resume", job, epoch: 1, fromSeq: 1 }]);
  });
});
