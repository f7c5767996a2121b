import { expect, test } from "vitest";
import { buildJobSpec, buildNodeJoined, buildNodeReport, createManualClock } from "../testing/index.ts";
import { asJobId, asMemberId } from "../terms.ts";
import type { Tier } from "../terms.ts";
import { createDispatcher } from "./dispatcher.ts";

const ada = asMemberId("mem_ada");
const bo = asMemberId("mem_bo");

test("the queue is told by the tier that was asked for, with its oldest job, whatever keeps it", () => {
  const clock = createManualClock();
  const dispatcher = createDispatcher({ clock });
  const wait = (id: string, askedTier: Tier, submittedAtMs: number, notBeforeMs = 0): void => {
    const target = { kind: "tier", tier: askedTier } as const;
    const spec = buildJobSpec({ id: asJobId(id), askedTier, target, submittedAtMs });
    dispatcher.step({ kind: "job-pending", spec, excludedNodes: [], notBeforeMs });
  };
  const now = clock.now();
  wait("job_1", "edge", now - 1_000);
  wait("job_2", "edge", now - 5_000, now + 60_000);
  wait("job_3", "frontier", now);
  const none = { jobs: 0, oldestMs: null };
  expect(dispatcher.snapshot()).toMatchObject({
    pendingJobs: 3,
    queues: {
      edge: { jobs: 2, oldestMs: now - 5_000 },
      "local-small": none,
      "local-large": none,
      frontier: { jobs: 1, oldestMs: now },
    },
  });
  dispatcher.step({ kind: "job-gone", job: asJobId("job_2") });
  dispatcher.step({ kind: "job-gone", job: asJobId("job_3") });
  expect(dispatcher.snapshot().queues).toMatchObject({
    edge: { jobs: 1, oldestMs: now - 1_000 },
    frontier: none,
  });
});

test("members are told with the service that they had, over their weight", () => {
  const dispatcher = createDispatcher({ clock: createManualClock() });
  dispatcher.step(buildNodeJoined());
  for (const [member, weight] of [
    [ada, 1],
    [bo, 2],
  ] as const) {
    const id = asJobId(`job_of_${member}`);
    const spec = buildJobSpec({ id, member, weight });
    dispatcher.step({ kind: "job-pending", spec, excludedNodes: [], notBeforeMs: 0 });
    dispatcher.step({ kind: "attempt-ended", job: id, usage: { promptTokens: 100, outputTokens: 200 } });
  }
  const had = new Map(
    dispatcher.snapshot().service?.map(({ member, referenceS }) => [member, referenceS]) ?? [],
  );
  expect(had.get(ada)).toBeGreaterThan(0.5);
  expect(had.get(bo)).toBeCloseTo((had.get(ada) ?? 0) / 2, 6);
});

test("a node's tokens have a price once its owner limits them", () => {
  const dispatcher = createDispatcher({ clock: createManualClock() });
  dispatcher.step(buildNodeJoined());
  expect(dispatcher.snapshot().nodes[0]?.tokenPriceS).toBe(0);
  dispatcher.step(buildNodeJoined({ report: buildNodeReport({ tokensPerDay: 1_000 }) }));
  expect(dispatcher.snapshot().nodes[0]?.tokenPriceS).toBeGreaterThan(0);
});
