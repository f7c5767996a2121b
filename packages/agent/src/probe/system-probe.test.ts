import { totalmem } from "node:os";
import { expect, test } from "vitest";
import { createSystemProbe } from "./system-probe.ts";

test("this machine is looked at, and the look is kept for a while", async () => {
  let nowMs = 0;
  const probe = createSystemProbe({ clock: { now: () => nowMs }, platform: process.platform });
  const machine = await probe.machine();
  expect(machine.chip).not.toBe("");
  expect(machine.platform).toBe(`${process.platform} ${process.arch}`);
  expect(machine.memoryBytes / totalmem()).toBeCloseTo(1, 1);

  const state = await probe.state();
  expect(["normal", "warning", "critical"]).toContain(state.pressure);
  expect(["mains", "battery", "unknown"]).toContain(state.power);

  const startedAtMs = performance.now();
  for (let look = 0; look < 1000; look += 1) await probe.state();
  expect(performance.now() - startedAtMs).toBeLessThan(200);
  nowMs = 60_000;
  expect(await probe.state()).toHaveProperty("thermal");
});
