import { buildModelReport, buildNodeReport } from "@coop/core/testing";
import { describe, expect, test } from "vitest";
import { lostModels } from "./last-nodes.ts";
import type { Reporting } from "./last-nodes.ts";
import { createTestCoop, join } from "./testing/test-coop.ts";
import { leads, startTestScheduler } from "./testing/test-scheduler.ts";

const MODEL = "llama3.2:3b";
const healthy = buildNodeReport();
const faulty = buildNodeReport({ unhealthy: { [MODEL]: "idle-timeout: it hangs" } });
const other = (report: Reporting["report"]): Reporting => ({ identity: { name: "other" }, report });
const lost = [{ model: MODEL, problem: "idle-timeout: it hangs" }];

describe("a model is lost", () => {
  test.for([
    ["when its only node fails it", healthy, faulty, [], lost],
    ["when the others fail it, too", healthy, faulty, [other(faulty)], lost],
    [
      "when the others have another",
      healthy,
      faulty,
      [other(buildNodeReport({ models: [buildModelReport({ name: "qwen3:8b" })] }))],
      lost,
    ],
    ["but not while another node serves it", healthy, faulty, [other(healthy)], []],
    ["but not again with each report", faulty, faulty, [], []],
    ["and not when it heals", faulty, healthy, [], []],
  ] as const)("%s", ([, before, after, others, expected]) => {
    expect(lostModels(before, after, others)).toEqual(expected);
  });
});

test("operators hear of it once, and jobs wait until it heals", async () => {
  const coop = createTestCoop();
  await using server = await startTestScheduler(coop.ports, { amnestyMs: 0 });
  await leads(server);
  const agent = await join(server, await coop.register("studio"), { report: healthy });
  agent.send({ kind: "report", report: faulty });
  agent.send({ kind: "report", report: faulty });
  const told = () => server.logged.filter((line) => line.includes("the last node that served a model"));
  await expect.poll(told).toHaveLength(1);
  expect(told()[0]).toContain('"node":"studio"');

  await coop.submit();
  await expect.poll(() => server.scheduler.state()).toMatchObject({ pendingJobs: 1 });
  expect(agent.untaken("assign")).toEqual([]);
  agent.send({ kind: "report", report: healthy });
  expect(await agent.take("assign")).toMatchObject({ model: MODEL });
  expect(told()).toHaveLength(1);
});
