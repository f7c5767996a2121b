import { createSeededRandom } from "@coop/core/testing";
import type { AttemptStore } from "@coop/core";
import { expect, test } from "vitest";
import { wordsOf } from "./testing/scripted-agent.ts";
import { createTestCoop, join } from "./testing/test-coop.ts";
import { leads, startTestScheduler } from "./testing/test-scheduler.ts";
import type { Fate } from "./testing/unreliable-store.ts";

const CHANGES: readonly (keyof AttemptStore)[] = [
  "lease",
  "accept",
  "append",
  "finish",
  "renew",
  "read",
  "pending",
  "sweep",
];

for (const fate of ["lost", "answer-lost"] as const) {
  test.for(CHANGES)(`a store whose %s is ${fate} twice costs time, and nothing else`, async (broken) => {
    const coop = createTestCoop();
    let left = 2;
    coop.fate = (call) => (call === broken && left-- > 0 ? fate : "works");
    await using server = await startTestScheduler(coop.ports);
    await leads(server);
    const agent = await join(server, await coop.register("studio"));
    const job = await coop.submit();
    const assign = await agent.take("assign");
    expect(assign).toMatchObject({ job, epoch: 1 });
    const say = wordsOf(assign);
    agent.send(say.accepted());
    agent.send(say.output(1, "one "));
    agent.send(say.output(2, "two "));
    agent.send(say.done(2, { promptTokens: 10, outputTokens: 2 }));
    await agent.take("settled");
    expect((await coop.record(job)).state).toMatchObject({ state: "succeeded", chargedTokens: 12 });
    expect(coop.settlements(job)).toEqual(["succeeded"]);
    expect((await coop.output(job)).filter(({ event }) => event.kind === "deltas")).toHaveLength(2);
  });
}

test.for(["append", "finish"] as const)(
  "what the store will never take (%s) costs the attempt, not the job",
  async (broken) => {
    const coop = createTestCoop();
    let left = 1;
    coop.fate = (call) => (call === broken && left-- > 0 ? "refused" : "works");
    await using server = await startTestScheduler(coop.ports, { amnestyMs: 0, leaseMs: 1_000 });
    await leads(server);
    const agent = await join(server, await coop.register("studio"));
    const job = await coop.submit({ attachment: "detached" });
    const first = wordsOf(await agent.take("assign"));
    agent.send(first.output(1, "one "));
    agent.send(first.done(1, { promptTokens: 10, outputTokens: 1 }));
    expect(await agent.take("cancel")).toMatchObject({ job, epoch: 1 });

    const second = await agent.take("assign");
    expect(second).toMatchObject({ job, epoch: 2 });
    agent.send(wordsOf(second).done(0, { promptTokens: 10, outputTokens: 1 }));
    await expect
      .poll(async () => (await coop.record(job)).state)
      .toMatchObject({ state: "succeeded", chargedTokens: 11 });
  },
);

test("a retry whose answer is lost is one retry", async () => {
  const coop = createTestCoop();
  await using server = await startTestScheduler(coop.ports);
  await leads(server);
  const agent = await join(server, await coop.register("studio"));
  let left = 2;
  coop.fate = (call) => (call === "expire" && left-- > 0 ? "answer-lost" : "works");
  const job = await coop.submit();
  agent.send(wordsOf(await agent.take("assign")).failed("model-output"));
  const second = await agent.take("assign");
  expect(second).toMatchObject({ job, epoch: 2 });
  expect(await coop.record(job)).toMatchObject({ attempts: 1 });
});

test.for([1, 2, 3, 4, 5])(
  "forty jobs over a store that fails one call in five all end once (seed %i)",
  async (seed) => {
    const coop = createTestCoop();
    const random = createSeededRandom(seed);
    coop.fate = (): Fate => {
      const roll = random.next();
      return roll < 0.1 ? "lost" : roll < 0.2 ? "answer-lost" : "works";
    };
    await using server = await startTestScheduler(coop.ports, { storeRetryFirstMs: 1, storeRetryMostMs: 5 });
    await leads(server);
    const agents = [
      await join(server, await coop.register("one")),
      await join(server, await coop.register("two")),
    ];
    const jobs = await Promise.all(Array.from({ length: 40 }, () => coop.submit({ attachment: "detached" })));
    const over = new AbortController();
    const serving = agents.map(async (agent) => {
      while (!over.signal.aborted) {
        const assign = await Promise.race([agent.take("assign"), agent.gone]);
        if (assign === undefined) return;
        const say = wordsOf(assign);
        agent.send(say.accepted());
        agent.send(say.output(1, "one "));
        agent.send(say.output(2, "two "));
        agent.send(
          random.next() < 0.2
            ? say.failed("model-output", 2)
            : say.done(2, { promptTokens: 10, outputTokens: 2 }),
        );
      }
    });
    await expect
      .poll(
        async () =>
          (await Promise.all(jobs.map((job) => coop.record(job)))).filter(
            ({ state }) => state.state === "succeeded" || state.state === "failed",
          ).length,
        { timeout: 12_000 },
      )
      .toBe(jobs.length);
    for (const job of jobs) {
      const ends = coop.settlements(job).filter((kind) => kind === "succeeded" || kind === "failed");
      expect(ends).toHaveLength(1);
    }
    expect(await coop.account()).toMatchObject({ heldTokens: 0 });
    await expect.poll(() => server.scheduler.state()).toMatchObject({ pendingJobs: 0, runningAttempts: 0 });
    over.abort();
    await server.stop();
    await Promise.allSettled(serving);
  },
);

test("a leader that cannot renew its lead steps down before another may lead", async () => {
  const coop = createTestCoop();
  await using server = await startTestScheduler(coop.ports, { leadTtlMs: 1_000 });
  await leads(server);
  const agent = await join(server, await coop.register("studio"));
  coop.cutOffLeadership();
  expect(await agent.take("refused")).toMatchObject({ reason: "not-leader", leader: null });
  expect(server.scheduler.state()).toEqual({ kind: "following", leader: null });
});

test("a job whose answer was admitted while wake-ups were lost is found when they come back", async () => {
  const coop = createTestCoop();
  await using server = await startTestScheduler(coop.ports);
  await leads(server);
  const agent = await join(server, await coop.register("studio"));
  coop.muteWakeUps();
  const job = await coop.submit();
  coop.unmuteWakeUps();
  expect((await agent.take("assign")).job).toBe(job);
});

test("a store that lost output which it had acknowledged costs the attempt, not the node", async () => {
  const coop = createTestCoop();
  const { attempts } = coop.ports;
  let loses = true;
  const append: AttemptStore["append"] = async (request) => {
    if (!loses) return attempts.append(request);
    loses = false;
    return { kind: "appended" };
  };
  await using server = await startTestScheduler({ ...coop.ports, attempts: { ...attempts, append } });
  await leads(server);
  const key = await coop.register("studio");
  const agent = await join(server, key);
  const job = await coop.submit({ attachment: "detached" });
  const first = wordsOf(await agent.take("assign"));
  agent.send(first.output(1, "one "));
  expect(await agent.take("ack")).toMatchObject({ seq: 1 });
  agent.send(first.output(2, "two "));
  await agent.gone;

  const back = await join(server, key, { running: [first.running(2)] });
  expect(back.welcome.running).toEqual([{ verdict: "resume", job, epoch: 1, fromSeq: 1 }]);
  back.send(first.failed("node-lost", 0));
  const second = wordsOf(await back.take("assign"));
  back.send(second.output(1, "All of it."));
  back.send(second.done(1, { promptTokens: 10, outputTokens: 3 }));
  await back.take("settled", job);
  await expect
    .poll(async () => (await coop.record(job)).state)
    .toMatchObject({ state: "succeeded", chargedTokens: 13 });
});

test.for(["is silent", "goes on", "is done"] as const)(
  "a job that a store forgot to be running is placed again, whether its node %s",
  async (then) => {
    const coop = createTestCoop();
    const renewEveryMs = then === "is silent" ? 50 : 600_000;
    await using server = await startTestScheduler(coop.ports, { renewEveryMs });
    await leads(server);
    const agent = await join(server, await coop.register("studio"));
    const job = await coop.submit({ attachment: "detached" });
    const say = wordsOf(await agent.take("assign"));
    agent.send(say.accepted());
    await expect.poll(async () => (await coop.record(job)).state.state).toBe("running");
    const nowMs = Date.now();
    await coop.ports.attempts.expire({
      fence: coop.leadership.fence(),
      job,
      epoch: 1,
      failure: "node-lost",
      message: "scripted",
      usage: { promptTokens: 0, outputTokens: 0 },
      excludeNode: false,
      counts: false,
      notBeforeMs: nowMs,
      maxAttempts: 3,
      nowMs,
    });
    if (then === "goes on") agent.send(say.output(1, "one "));
    if (then === "is done") agent.send(say.done(0, { promptTokens: 10, outputTokens: 0 }));
    expect(await agent.take("assign")).toMatchObject({ job, epoch: 2 });
    expect(server.scheduler.state()).toMatchObject({ runningAttempts: 1 });
  },
);
