import { expect, test } from "vitest";
import { startBench } from "./testing/bench.ts";
import { watchVitals } from "./vitals.ts";

/** Keeps this process from everything else. */
function block(ms: number): void {
  const untilMs = performance.now() + ms;
  while (performance.now() < untilMs);
}

test("a process that was kept from its work says by how much, and anew from then on", async () => {
  const { read, close } = watchVitals();
  expect(read().residentBytes).toBeGreaterThan(10e6);
  const lagAfterBlocking = async (): Promise<number> => {
    await new Promise((resolve) => setTimeout(resolve, 250));
    block(700);
    await new Promise((resolve) => setTimeout(resolve, 50));
    return read().eventLoopLagP99Ms;
  };
  expect(await lagAfterBlocking()).toBeGreaterThan(400);
  await expect.poll(() => read().eventLoopLagP99Ms, { interval: 300, timeout: 10_000 }).toBeLessThan(400);
  close();
});

test("an agent's own figures go with each report, and tell how often it had to connect anew", async () => {
  await using bench = await startBench();
  const first = await bench.scheduler.accept();
  const figures = { residentBytes: 6e7, eventLoopLagP99Ms: 2, unconfirmedBytes: 0 };
  expect((await first.welcome()).report.agent).toEqual({ ...figures, reconnects: 0 });
  await bench.advanceUntil(1_000, () => first.frames.some(({ kind }) => kind === "report"));
  first.cut();
  await bench.advanceUntil(100, () => bench.scheduler.connections === 2);
  const again = await bench.scheduler.accept();
  await again.welcome();
  await bench.advanceUntil(1_000, () => again.frames.some(({ kind }) => kind === "report"));
  expect((await again.next("report")).report.agent).toEqual({ ...figures, reconnects: 1 });
});
