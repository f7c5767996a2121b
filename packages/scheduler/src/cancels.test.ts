import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { JobId } from "@coop/core";
import { buildNodeReport } from "@coop/core/testing";
import { wordsOf } from "./testing/scripted-agent.ts";
import { createTestCoop, join } from "./testing/test-coop.ts";
import type { TestCoop } from "./testing/test-coop.ts";
import { leads, startTestScheduler } from "./testing/test-scheduler.ts";
import type { TestScheduler } from "./testing/test-scheduler.ts";
import type { Fate } from "./testing/unreliable-store.ts";

let coop: TestCoop;
let server: TestScheduler;

beforeEach(async () => {
  coop = createTestCoop();
  server = await startTestScheduler(coop.ports);
  await leads(server);
});
afterEach(() => server.stop());

const cancel = (job: JobId) => coop.ports.desk.cancel(job, null, "member", Date.now());

describe("a job that is cancelled", () => {
  test("while it is pending never reaches a node", async () => {
    const job = await coop.submit();
    await expect.poll(() => server.scheduler.state()).toMatchObject({ pendingJobs: 1 });
    await cancel(job);
    await expect.poll(() => server.scheduler.state()).toMatchObject({ pendingJobs: 0 });
    const agent = await join(server, await coop.register("studio"));
    const next = await coop.submit();
    expect((await agent.take("assign")).job).toBe(next);
    expect(await coop.account()).toMatchObject({ usedTokens: 0 });
  });

  test("before its node accepted it is stopped there, and costs nothing", async () => {
    const agent = await join(server, await coop.register("studio"));
    const job = await coop.submit();
    const say = wordsOf(await agent.take("assign"));
    await cancel(job);
    expect(await agent.take("cancel")).toMatchObject({ job, epoch: 1 });
    expect(server.scheduler.state()).toMatchObject({ runningAttempts: 0 });
    agent.send(say.aborted({ promptTokens: 0, outputTokens: 0 }));
    expect(await agent.take("settled")).toMatchObject({ job, epoch: 1 });
    expect((await coop.record(job)).state).toMatchObject({ state: "cancelled", chargedTokens: 0 });
    expect(server.scheduler.state()).toMatchObject({ runningAttempts: 0 });
  });

  test("while it streams is stopped, and what comes late changes nothing but the node's own account", async () => {
    const agent = await join(server, await coop.register("studio"));
    const job = await coop.submit();
    const say = wordsOf(await agent.take("assign"));
    agent.send(say.accepted());
    agent.send(say.output(1, "Once upon", 2));
    await agent.take("ack");
    await cancel(job);
    await agent.take("cancel");
    const { chargedTokens } = (await coop.record(job)).state as { chargedTokens: number };

    agent.send(say.output(2, " a time", 2));
    expect(await agent.take("cancel")).toMatchObject({ job, epoch: 1 });
    agent.send(say.done(2, { promptTokens: 300, outputTokens: 200 }));
    expect(await agent.take("settled")).toMatchObject({ job, epoch: 1 });
    agent.send(say.aborted({ promptTokens: 9, outputTokens: 9 }));
    expect(await agent.take("settled")).toMatchObject({ job, epoch: 1 });

    expect((await coop.record(job)).state).toMatchObject({ state: "cancelled", chargedTokens });
    expect(await coop.account()).toEqual({ usedTokens: chargedTokens, heldTokens: 0 });
    expect((await coop.output(job)).filter(({ event }) => event.kind === "deltas")).toHaveLength(1);
    expect(coop.settlements(job)).toEqual(["cancelled", "node-settled"]);
  });

  test("while its node is being welcomed back takes no slot there", async () => {
    const key = await coop.register("studio");
    const report = buildNodeReport({ slots: 1, tokensPerDay: 1_000_000 });
    const agent = await join(server, key, { report });
    const job = await coop.submit();
    const say = wordsOf(await agent.take("assign"));
    agent.send(say.accepted());
    await agent.drop();

    const asked = Promise.withResolvers<void>();
    const answer = Promise.withResolvers<Fate>();
    coop.fate = (call) => {
      if (call !== "nodeAccount") return "works";
      asked.resolve();
      return answer.promise;
    };
    const joining = join(server, key, { report, running: [say.running(0)] });
    await asked.promise;
    await cancel(job);
    await expect.poll(() => server.scheduler.state()).toMatchObject({ runningAttempts: 0 });
    answer.resolve("works");

    const back = await joining;
    expect(back.welcome.running).toEqual([{ verdict: "abandon", job, epoch: 1 }]);
    const next = await coop.submit();
    expect((await back.take("assign")).job).toBe(next);
  });

  test("while its node is away is stopped when the node comes back, even if word of it was lost", async () => {
    const key = await coop.register("studio");
    const agent = await join(server, key);
    const job = await coop.submit();
    const say = wordsOf(await agent.take("assign"));
    agent.send(say.accepted());
    await expect.poll(async () => (await coop.record(job)).state.state).toBe("running");
    await agent.drop();
    coop.muteWakeUps();
    await cancel(job);
    const back = await join(server, key, { running: [say.running(0)] });
    expect(back.welcome.running).toEqual([{ verdict: "abandon", job, epoch: 1 }]);
    expect(server.scheduler.state()).toMatchObject({ runningAttempts: 0 });
  });

  test("while its node is away is stopped when the node comes back", async () => {
    const key = await coop.register("studio");
    const agent = await join(server, key);
    const job = await coop.submit();
    const say = wordsOf(await agent.take("assign"));
    agent.send(say.accepted());
    await agent.drop();
    await cancel(job);
    const back = await join(server, key, { running: [say.running(0)] });
    expect(back.welcome.running).toEqual([{ verdict: "abandon", job, epoch: 1 }]);
    back.send(say.aborted({ promptTokens: 3, outputTokens: 1 }));
    await back.take("settled", job);
    expect(coop.settlements(job)).toEqual(["cancelled", "node-settled"]);
  });

  test("is settled for a node that has forgotten it, also by a scheduler that never knew it", async () => {
    const key = await coop.register("studio");
    const agent = await join(server, key);
    const job = await coop.submit();
    await agent.take("assign");
    await server.stop();
    await agent.gone;

    server = await startTestScheduler(coop.ports);
    await leads(server);
    const restarted = await join(server, key);
    await cancel(job);
    expect(await restarted.take("cancel")).toMatchObject({ job, epoch: 1 });
    await expect.poll(() => coop.settlements(job)).toEqual(["cancelled", "node-settled"]);
  });

  test("frees its slot for the next job at once", async () => {
    const agent = await join(server, await coop.register("studio"));
    const jobs = [await coop.submit(), await coop.submit(), await coop.submit(), await coop.submit()];
    for (const job of jobs) agent.send(wordsOf(await agent.take("assign", job)).accepted());
    const waiting = await coop.submit();
    await expect.poll(() => server.scheduler.state()).toMatchObject({ pendingJobs: 1, runningAttempts: 4 });
    const [first] = jobs;
    if (first !== undefined) await cancel(first);
    expect((await agent.take("assign")).job).toBe(waiting);
  });
});

test("a job that expires at its deadline is stopped on its node", async () => {
  const other = createTestCoop();
  await using strict = await startTestScheduler(other.ports, { amnestyMs: 0 });
  await leads(strict);
  const agent = await join(strict, await other.register("studio"));
  const job = await other.submit({ deadlineMs: Date.now() + 100 });
  agent.send(wordsOf(await agent.take("assign")).accepted());
  expect(await agent.take("cancel")).toMatchObject({ job, epoch: 1 });
  await expect.poll(async () => (await other.record(job)).state.state).toBe("expired");
});

describe("a frame of an attempt that the node does not hold", () => {
  test("is dropped and answered with cancel; nothing of the job changes", async () => {
    const agent = await join(server, await coop.register("studio"));
    const job = await coop.submit();
    const assign = await agent.take("assign");
    const say = wordsOf(assign);
    agent.send(say.accepted());
    const thief = await join(server, await coop.register("thief"));
    thief.send(say.output(1, "forged", 50));
    expect(await thief.take("cancel")).toMatchObject({ job, epoch: 1 });
    thief.send(say.done(0, { promptTokens: 1, outputTokens: 1 }));
    expect(await thief.take("settled")).toMatchObject({ job, epoch: 1 });
    thief.send(say.failed("engine-error"));
    await thief.take("settled");

    agent.send(wordsOf({ ...assign, epoch: 7 }).output(1, "of another epoch"));
    expect(await agent.take("cancel")).toMatchObject({ job, epoch: 7 });
    agent.send(say.output(1, "genuine"));
    await agent.take("ack");
    agent.send(say.done(1, { promptTokens: 4, outputTokens: 1 }));
    await agent.take("settled");
    expect((await coop.record(job)).state).toMatchObject({
      state: "succeeded",
      node: "node_studio",
      chargedTokens: 5,
    });
    expect(coop.settlements(job)).toEqual(["succeeded"]);
  });

  test("for a job that never was is answered, and the node may forget it", async () => {
    const agent = await join(server, await coop.register("studio"));
    const job = await coop.submit();
    const say = wordsOf({ ...(await agent.take("assign")), job: "job_never" as JobId });
    agent.send(say.accepted());
    expect(await agent.take("cancel")).toMatchObject({ job: "job_never" });
    agent.send(say.aborted({ promptTokens: 0, outputTokens: 0 }));
    expect(await agent.take("settled")).toMatchObject({ job: "job_never" });
    expect((await coop.record(job)).state.state).toBe("leased");
  });
});

describe("repeated frames", () => {
  test("are acknowledged again and charged once", async () => {
    const agent = await join(server, await coop.register("studio"));
    const job = await coop.submit();
    const say = wordsOf(await agent.take("assign"));
    for (let times = 0; times < 3; times += 1) {
      agent.send(say.accepted());
      agent.send(say.output(1, "four words, said once", 4));
    }
    for (let times = 0; times < 3; times += 1) expect(await agent.take("ack")).toMatchObject({ seq: 1 });
    for (let times = 0; times < 3; times += 1) agent.send(say.done(1, { promptTokens: 10, outputTokens: 4 }));
    for (let times = 0; times < 3; times += 1)
      expect(await agent.take("settled")).toMatchObject({ job, epoch: 1 });
    expect(await coop.account()).toEqual({ usedTokens: 14, heldTokens: 0 });
    expect(coop.settlements(job)).toEqual(["succeeded"]);
    expect((await coop.output(job)).filter(({ event }) => event.kind === "deltas")).toHaveLength(1);
  });

  test("an end that claims more than was delivered is charged what was delivered", async () => {
    const agent = await join(server, await coop.register("studio"));
    await coop.submit({ promptTokensMax: 100, maxOutputTokens: 5_000 });
    const say = wordsOf(await agent.take("assign"));
    agent.send(say.output(1, "ten bytes.", 9_999));
    agent.send(say.done(1, { promptTokens: 50, outputTokens: 4_000 }));
    await agent.take("settled");
    expect(await coop.account()).toEqual({ usedTokens: 50 + 10 + 64, heldTokens: 0 });
  });

  test("a frame that claims more tokens than it has bytes is believed up to its bytes", async () => {
    const agent = await join(server, await coop.register("studio"));
    const job = await coop.submit();
    agent.send(wordsOf(await agent.take("assign")).output(1, "ten bytes.", 400));
    await agent.take("ack");
    expect(await coop.record(job)).toMatchObject({ deliveredTokens: 18 });
  });

  test("a hole in the output breaks the connection, so that the agent sends it again", async () => {
    const key = await coop.register("studio");
    const agent = await join(server, key);
    const job = await coop.submit();
    const say = wordsOf(await agent.take("assign"));
    agent.send(say.output(1, "one "));
    agent.send(say.output(3, "three "));
    await agent.gone;
    const back = await join(server, key, { running: [say.running(3)] });
    expect(back.welcome.running).toEqual([{ verdict: "resume", job, epoch: 1, fromSeq: 2 }]);
    back.send(say.done(3, { promptTokens: 10, outputTokens: 3 }));
    await back.gone;
    expect((await coop.record(job)).state.state).toBe("running");
  });

  test("output beyond the credit breaks the connection", async () => {
    const agent = await join(server, await coop.register("studio"));
    await coop.submit();
    const say = wordsOf(await agent.take("assign"));
    const store = Promise.withResolvers<"works">();
    coop.fate = () => store.promise;
    for (let seq = 1; seq <= 5; seq += 1) agent.send(say.output(seq, "x".repeat(400_000)));
    expect(await agent.take("refused")).toMatchObject({ reason: "bad-frame" });
    store.resolve("works");
  });
});
