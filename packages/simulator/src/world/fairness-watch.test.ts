import { asMemberId, serviceGapBoundS } from "@coop/core";
import { expect, test } from "vitest";
import { createFairnessWatch } from "./fairness-watch.ts";

const ada = asMemberId("mem_ada");
const bob = asMemberId("mem_bob");
const eve = asMemberId("mem_eve");

function rig() {
  const watch = createFairnessWatch();
  const serve = (member: typeof ada, seconds: number): void => {
    watch.begun(member, seconds);
    watch.ended(member, seconds, true, 1);
  };
  return { watch, serve };
}

test("the gap is how far two members drift apart while both wait for the same", () => {
  const { watch, serve } = rig();
  serve(ada, 500);
  watch.waits(ada, "edge", 0);
  watch.waits(bob, "edge", 0);
  serve(ada, 30);
  serve(bob, 50);
  expect(watch.result().backloggedGapS).toBe(50);
  watch.waitsNoMore(bob, "edge");
  serve(ada, 900);
  watch.waits(bob, "edge", 0);
  serve(ada, 40);
  expect(watch.result().backloggedGapS).toBe(50);
  expect(watch.result().gapOverTime.map(([, gapS]) => gapS)).toEqual([30, 50]);
});

test("members who wait for different tiers have no claim on each other", () => {
  const { watch, serve } = rig();
  watch.waits(ada, "edge", 0);
  watch.waits(eve, "local-large", 0);
  serve(eve, 700);
  expect(watch.result().backloggedGapS).toBe(0);
});

test("the bound follows from the most that one member had in flight, lost attempts among it", () => {
  const { watch } = rig();
  watch.begun(ada, 20);
  watch.begun(ada, 25);
  watch.ended(ada, 20, false, 3);
  watch.begun(bob, 30);
  watch.begun(ada, 5);
  expect(watch.result()).toMatchObject({ boundS: serviceGapBoundS(45), servedS: [0, 0] });
});
