import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { JobSpec } from "../job/job.ts";
import {
  buildJobSpec,
  buildModelReport,
  buildNodeJoined,
  buildNodeReport,
  createManualClock,
} from "../testing/index.ts";
import { asJobId, asMemberId } from "../terms.ts";
import { createDispatcher } from "./dispatcher.ts";
import { createUrgentLane, isUrgent, urgencyOf } from "./urgency.ts";

const [ADA, BO, CY] = [asMemberId("mem_ada"), asMemberId("mem_bo"), asMemberId("mem_cy")];

describe("a job is urgent", () => {
  const cases = [
    { name: "not while its deadline is far", deadlineS: 600, expectedS: 5, urgent: false },
    { name: "not before the margin", deadlineS: 16, expectedS: 5, urgent: false },
    { name: "when a slot that comes free later may be too late", deadlineS: 14, expectedS: 5, urgent: true },
    { name: "at the last moment", deadlineS: 5, expectedS: 5, urgent: true },
    { name: "not once it is too late", deadlineS: 4.9, expectedS: 5, urgent: false },
    { name: "not when its deadline has passed", deadlineS: -1, expectedS: 0, urgent: false },
    { name: "earlier the longer it takes", deadlineS: 150, expectedS: 80, urgent: true },
  ];
  test.each(cases)("$name", ({ deadlineS, expectedS, urgent }) => {
    expect(isUrgent(urgencyOf(deadlineS * 1000, expectedS * 1000), 0)).toBe(urgent);
  });

  test("in one stretch of time that ends while it can still end in time", () => {
    const figures = fc.record({ deadlineMs: fc.nat(1e9), expectedMs: fc.nat(1e7) });
    fc.assert(
      fc.property(figures, fc.nat(1e9), ({ deadlineMs, expectedMs }, nowMs) => {
        const urgency = urgencyOf(deadlineMs, expectedMs);
        if (isUrgent(urgency, nowMs)) expect(nowMs + expectedMs).toBeLessThanOrEqual(deadlineMs);
        expect(isUrgent(urgency, urgency.latestStartMs)).toBe(true);
        expect(isUrgent(urgency, urgency.latestStartMs + 1)).toBe(false);
      }),
    );
    expect.hasAssertions();
  });
});

test("urgent work has no more than half of the service, but for the first minute of it", () => {
  const lane = createUrgentLane();
  let [urgentS, otherS] = [0, 0];
  for (let count = 0; count < 1_000; count += 1) {
    const ahead = lane.isOpen();
    lane.started(10, ahead);
    if (ahead) urgentS += 10;
    else otherS += 10;
  }
  expect(urgentS).toBeLessThanOrEqual(otherS + 70);
  expect(urgentS).toBeGreaterThan(0.4 * (urgentS + otherS));
});

/** One node of one slot that is taken; large jobs are expected to take about 5 s, by the builders' speeds. */
function start() {
  const clock = createManualClock();
  const dispatcher = createDispatcher({ clock });
  dispatcher.step(
    buildNodeJoined({
      report: buildNodeReport({ slots: 1, models: [buildModelReport({ contextTokens: 1_000_000 })] }),
    }),
  );
  let jobs = 0;
  const submit = (changes: Partial<JobSpec> & { readonly deadlineS: number }): JobSpec => {
    jobs += 1;
    const { deadlineS, ...rest } = changes;
    const spec = buildJobSpec({
      id: asJobId(`job_${jobs}`),
      submittedAtMs: clock.now(),
      deadlineMs: clock.now() + deadlineS * 1000,
      ...rest,
    });
    dispatcher.step({ kind: "job-pending", spec, excludedNodes: [], notBeforeMs: 0 });
    return spec;
  };
  const running = submit({ deadlineS: 600, member: CY });
  /** Ends what runs; answers what starts instead. */
  const next = (spec: JobSpec, outputTokens = 100) =>
    dispatcher
      .step({ kind: "attempt-ended", job: spec.id, usage: { promptTokens: spec.promptTokens, outputTokens } })
      .map((effect) => effect.spec.id);
  return { clock, dispatcher, submit, running, next };
}

const LARGE = { promptTokens: 4_000, promptTokensMax: 5_000, maxOutputTokens: 512 } as const;
const SMALL = { promptTokens: 20, promptTokensMax: 40, maxOutputTokens: 16 } as const;

describe("where a slot comes free", () => {
  test("a large job that must start now goes before small ones of its member and of others", () => {
    const { submit, running, next } = start();
    submit({ ...SMALL, member: ADA, deadlineS: 600 });
    submit({ ...SMALL, member: BO, deadlineS: 600 });
    const urgent = submit({ ...LARGE, member: ADA, deadlineS: 12 });
    expect(next(running)).toEqual([urgent.id]);
  });

  test("a job that can wait goes behind small ones, and goes first once it cannot", () => {
    const { clock, submit, running, next } = start();
    const small = submit({ ...SMALL, member: BO, deadlineS: 600 });
    submit({ ...SMALL, member: BO, deadlineS: 600 });
    const large = submit({ ...LARGE, member: ADA, deadlineS: 60 });
    expect(next(running)).toEqual([small.id]);
    clock.advance(50_000);
    expect(next(small)).toEqual([large.id]);
  });

  test("a job that cannot meet its deadline any more gains nothing", () => {
    const { submit, running, next } = start();
    const small = submit({ ...SMALL, member: BO, deadlineS: 600 });
    submit({ ...LARGE, member: ADA, deadlineS: 1 });
    expect(next(running)).toEqual([small.id]);
  });

  test("batch work with a far deadline waits behind interactive work, and not with a near one", () => {
    const { clock, submit, running, next } = start();
    const batch = submit({ ...SMALL, member: ADA, band: "batch", deadlineS: 60 });
    const one = submit({ member: BO, deadlineS: 600 });
    submit({ member: BO, deadlineS: 600 });
    expect(next(running)).toEqual([one.id]);
    clock.advance(55_000);
    expect(next(one)).toEqual([batch.id]);
  });

  test.each([
    { had: "little", outputTokens: 100, goesFirst: true },
    { had: "far more than others", outputTokens: 200_000, goesFirst: false },
  ])("a member who had $had: an urgent job goes first: $goesFirst", ({ outputTokens, goesFirst }) => {
    const { submit, running, next } = start();
    const ofAda = submit({ ...SMALL, member: ADA, maxOutputTokens: 200_000, deadlineS: 5_000 });
    expect(next(running)).toEqual([ofAda.id]);
    const ofBo = submit({ ...SMALL, member: BO, deadlineS: 600 });
    const urgent = submit({ ...LARGE, member: ADA, deadlineS: 12 });
    expect(next(ofAda, outputTokens)).toEqual([goesFirst ? urgent.id : ofBo.id]);
  });
});
