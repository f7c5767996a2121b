import { asNodeId } from "@coop/core";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { wordsOf } from "./testing/scripted-agent.ts";
import { createTestCoop, join, REQUEST } from "./testing/test-coop.ts";
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

describe("a job all the way", () => {
  test("is assigned, streams its output, ends, and is charged what was observed", async () => {
    const agent = await join(server, await coop.register("studio"));
    const job = await coop.submit();

    const assign = await agent.take("assign");
    expect(assign).toMatchObject({
      job,
      epoch: 1,
      model: "llama3.2:3b",
      request: REQUEST,
      allowedNodes: ["node_studio"],
    });
    const say = wordsOf(assign);
    agent.send(say.accepted());
    agent.send(say.output(1, "Because of "));
    agent.send(say.output(2, "Rayleigh.", 3));
    agent.send(say.done(2, { promptTokens: 12, outputTokens: 4 }));

    expect(await agent.take("ack")).toMatchObject({ job, epoch: 1, seq: 1 });
    expect(await agent.take("ack")).toMatchObject({ job, epoch: 1, seq: 2 });
    expect(await agent.take("settled")).toMatchObject({ job, epoch: 1 });
    expect((await coop.record(job)).state).toMatchObject({
      state: "succeeded",
      node: "node_studio",
      chargedTokens: 16,
    });
    expect(await coop.account()).toEqual({ usedTokens: 16, heldTokens: 0 });
    expect(server.scheduler.state()).toMatchObject({
      kind: "leading",
      connectedNodes: 1,
      runningAttempts: 0,
      pendingJobs: 0,
    });
    expect(await server.metrics.render()).toContain('coop_jobs_total{outcome="succeeded"} 1');
  });

  test("that came before any node is placed when one joins", async () => {
    const job = await coop.submit();
    await expect.poll(() => server.scheduler.state()).toMatchObject({ pendingJobs: 1 });
    const agent = await join(server, await coop.register("studio"));
    expect((await agent.take("assign")).job).toBe(job);
  });

  test("keeps the order of its output when many attempts run at once", async () => {
    const agent = await join(server, await coop.register("studio"));
    const jobs = [await coop.submit(), await coop.submit(), await coop.submit(), await coop.submit()];
    for (const job of jobs) {
      const say = wordsOf(await agent.take("assign", job));
      agent.send(say.accepted());
      for (let seq = 1; seq <= 20; seq += 1) agent.send(say.output(seq, `${seq} `));
      agent.send(say.done(20, { promptTokens: 10, outputTokens: 20 }));
    }
    for (const job of jobs) {
      await agent.take("settled", job);
      expect((await coop.record(job)).state.state).toBe("succeeded");
    }
    expect(
      agent
        .untaken("ack")
        .filter((ack) => ack.job === jobs[0])
        .map((ack) => ack.seq),
    ).toEqual(Array.from({ length: 20 }, (_, index) => index + 1));
  });

  test("publishes the fleet with what the node runs", async () => {
    const agent = await join(server, await coop.register("studio"));
    const job = await coop.submit();
    agent.send(wordsOf(await agent.take("assign", job)).accepted());
    await expect
      .poll(async () =>
        (await coop.ports.board.read())?.nodes.map((node) => ({
          id: node.identity.id,
          connected: node.connected,
          jobs: node.active.map((active) => active.job),
        })),
      )
      .toEqual([{ id: asNodeId("node_studio"), connected: true, jobs: [job] }]);
  });
});
