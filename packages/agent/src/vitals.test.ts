import { expect, test } from "vitest";
import { watchVitals } from "./vitals.ts";

/** Keeps this process from everything else. */
function block(ms: number): void {
  const untilMs = performance.now() + ms;
  while (performance.now() < untilMs);
}

test("a process that was kept from its work says by how much, and anew from then on", async () => {
  const vitals = watchVitals();
  const read = vitals.read;
  expect(read().residentBytes).toBeGreaterThan(10e6);
  const lagAfterBlocking = async (): Promise<number> => {
    await new Promise((resolve) => setTimeout(resolve, 250));
    block(700);
    await new Promise((resolve) => setTimeout(resolve, 50));
    return read().eventLoopLagP99Ms;
  };
  expect(await lagAfterBlocking()).toBeGreaterThan(400);
  await expect.poll(() => read().eventLoopLagP99Ms, { interval: 300, timeout: 10_000 }).toBeLessThan(400);
  vitals.close();
});
