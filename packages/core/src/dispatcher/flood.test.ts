import { describe, expect, test } from "vitest";
import { assert } from "../assert.ts";
import { buildJobSpec, buildNodeJoined, buildNodeReport, createManualClock } from "../testing/index.ts";
import { asJobId, asMemberId } from "../terms.ts";
import type { JobId, MemberId } from "../terms.ts";
import { createDispatcher } from "./dispatcher.ts";
import type { DispatchEvent } from "./events.ts";

/**
 * A node of one slot and jobs of five seconds. Ada has five hundred of them waiting from the beginning; three others come
 * with one each every half minute, so that they use half of the node.
 */

const ADA = asMemberId("mem_ada");
const OTHERS = ["mem_bo", "mem_cy", "mem_di"].map(asMemberId);
const JOB_S = 5;
const OTHERS_EVERY_S = 30;
const HEAP = 500;

function start() {
  const clock = createManualClock();
  const dispatcher = createDispatcher({ clock });
  let sent = 0;
  let running: { readonly id: JobId; readonly member: MemberId; readonly endsMs: number } | null = null;
  const servedS = new Map<MemberId, number>();
  const tell = (event: DispatchEvent): void => {
    for (const { spec } of dispatcher.step(event)) {
      running = { id: spec.id, member: spec.member, endsMs: clock.now() + JOB_S * 1000 };
    }
  };
  const submit = (member: MemberId): JobId => {
    sent += 1;
    const id = asJobId(`job_${sent}`);
    const spec = buildJobSpec({ id, member, submittedAtMs: clock.now() });
    tell({ kind: "job-pending", spec, excludedNodes: [], notBeforeMs: 0 });
    return id;
  };
  const pass = (seconds: number, each: (second: number) => void = () => {}): void => {
    for (let second = 0; second < seconds; second += 1) {
      each(second);
      clock.advance(1_000);
      if (running !== null && clock.now() >= running.endsMs) {
        const { id, member } = running;
        running = null;
        servedS.set(member, (servedS.get(member) ?? 0) + JOB_S);
        tell({ kind: "attempt-ended", job: id, usage: { promptTokens: 1_000, outputTokens: 200 } });
      }
      tell({ kind: "tick" });
    }
  };
  const othersCome = (second: number): void => {
    OTHERS.forEach((member, place) => {
      if (second % OTHERS_EVERY_S === 10 * place) submit(member);
    });
  };
  /** The node comes back with nothing running. */
  const rejoin = (): void => {
    running = null;
    tell(buildNodeJoined({ report: buildNodeReport({ slots: 1 }) }));
  };
  rejoin();
  return {
    dispatcher,
    rejoin,
    submit,
    pass,
    othersCome,
    servedS: (member: MemberId) => servedS.get(member) ?? 0,
  };
}

test("what has waited for hours when a dispatcher begins is no flood", () => {
  const clock = createManualClock();
  const dispatcher = createDispatcher({ clock });
  const small = {
    member: ADA,
    promptTokens: 10,
    maxOutputTokens: 10,
    submittedAtMs: clock.now() - 7_200_000,
  };
  for (let count = 0; count < 100; count += 1) {
    const spec = buildJobSpec({ id: asJobId(`job_${count}`), ...small });
    for (const notBeforeMs of [clock.now() + 1_000, 0]) {
      dispatcher.step({ kind: "job-pending", spec, excludedNodes: [], notBeforeMs });
    }
  }
  for (const [count, member] of [...OTHERS, ...OTHERS].entries()) {
    const spec = buildJobSpec({ id: asJobId(`job_other_${count}`), member, submittedAtMs: clock.now() });
    dispatcher.step({ kind: "job-pending", spec, excludedNodes: [], notBeforeMs: 0 });
  }
  const first = dispatcher.step(buildNodeJoined({ report: buildNodeReport({ slots: 1 }) }));
  expect(first.map(({ spec }) => spec.member)).toEqual([ADA]);
});

describe("who floods", () => {
  test("has its fair share of a node that others use half of, no less and little more", () => {
    const world = start();
    for (const member of OTHERS) world.submit(member);
    for (let count = 0; count < HEAP; count += 1) world.submit(ADA);
    const spanS = 3_600;
    world.pass(spanS, (second) => {
      world.othersCome(second);
      world.submit(ADA);
    });
    expect(world.servedS(ADA) / spanS).toBeGreaterThan(0.23);
    expect(world.servedS(ADA) / spanS).toBeLessThan(0.3);
    for (const member of OTHERS) expect(world.servedS(member)).toBeGreaterThan(spanS / 6 - 5 * JOB_S);
  });

  test("has no more of a node that leaves and comes back", () => {
    const world = start();
    for (const member of OTHERS) world.submit(member);
    for (let count = 0; count < HEAP; count += 1) world.submit(ADA);
    const spanS = 1_800;
    world.pass(spanS, (second) => {
      world.othersCome(second);
      world.submit(ADA);
      if (second % 120 === 60) world.rejoin();
    });
    expect(world.servedS(ADA) / spanS).toBeLessThan(0.3);
  });

  test("is told why it waits", () => {
    const world = start();
    for (const member of OTHERS) world.submit(member);
    const ids = Array.from({ length: HEAP }, () => world.submit(ADA));
    world.pass(1_200, (second) => {
      world.othersCome(second);
      world.submit(ADA);
    });
    const last = ids.at(-1);
    assert(last !== undefined, "there are jobs");
    const placement = world.dispatcher.explain(last);
    expect(JSON.stringify(placement)).toMatch(/mem_ada.*had its part/);
  });

  test("has all of the node when the others have been gone for ten minutes", () => {
    const world = start();
    for (const member of OTHERS) world.submit(member);
    for (let count = 0; count < HEAP; count += 1) world.submit(ADA);
    world.pass(600, world.othersCome);
    world.pass(660);
    const before = world.servedS(ADA);
    world.pass(300);
    expect(world.servedS(ADA) - before).toBeGreaterThan(290);
  });
});
