import { buildModelReport, buildNodeReport } from "@coop/core/testing";
import { expect, test } from "vitest";
import { createTestCoop, join } from "./testing/test-coop.ts";
import { leads, startTestScheduler } from "./testing/test-scheduler.ts";

test("a node hears which model to load for the jobs that wait, and loads are not wished for one job", async () => {
  const coop = createTestCoop();
  await using server = await startTestScheduler(coop.ports, { amnestyMs: 0, warmEveryMs: 20 });
  await leads(server);
  const report = buildNodeReport({
    slots: 1,
    models: [buildModelReport(), buildModelReport({ name: "qwen3:8b", loaded: false })],
  });
  const agent = await join(server, await coop.register("studio"), { report });
  await coop.submit();
  await agent.take("assign");
  const target = { kind: "model" as const, model: "qwen3:8b" };
  await coop.submit({ target });
  await expect.poll(() => server.scheduler.state()).toMatchObject({ pendingJobs: 1 });
  expect(agent.untaken("warm")).toEqual([]);
  for (let more = 0; more < 3; more += 1) await coop.submit({ target });
  expect(await agent.take("warm")).toEqual({ kind: "warm", model: "qwen3:8b" });
  expect(agent.untaken("unload")).toEqual([]);
});
