import { expect, test } from "vitest";
import { KeepAwake } from "./keep-awake.ts";

test("the machine is kept awake while it works, by one thing at a time, and only then", () => {
  const events: string[] = [];
  let count = 0;
  const awake = new KeepAwake(() => {
    count += 1;
    const name = count;
    events.push(`begin ${name}`);
    return { stop: () => void events.push(`stop ${name}`) };
  });
  for (const isWorking of [false, true, true, false, false, true, false]) awake.working(isWorking);
  expect(events).toEqual(["begin 1", "stop 1", "begin 2", "stop 2"]);
});
