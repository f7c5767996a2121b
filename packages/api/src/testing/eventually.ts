import { assert } from "@coop/core";

const PATIENCE_MS = 5_000;

/** Resolves once the condition holds; fails after five seconds. */
export async function eventually(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const untilMs = performance.now() + PATIENCE_MS;
  while (!(await holds())) {
    assert(performance.now() < untilMs, `in time: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}
