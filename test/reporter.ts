import type { Reporter, TestModule } from "vitest/node";

/** The outcome of a whole run. `failed` also counts files, hooks and stray errors that no test reports. */
export interface Tally {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** @param strayErrorCount errors that were thrown outside every test */
export function tally(modules: readonly TestModule[], strayErrorCount: number): Tally {
  let passed = 0;
  let skipped = 0;
  let failed = strayErrorCount;
  for (const module of modules) {
    failed += module.errors().length;
    for (const suite of module.children.allSuites()) failed += suite.errors().length;
    for (const test of module.children.allTests()) {
      const { state } = test.result();
      if (state === "passed") passed += 1;
      else if (state === "failed") failed += 1;
      else skipped += 1;
    }
  }
  return { passed, failed, skipped };
}

export function closingLine({ passed, failed, skipped }: Tally): string {
  const line = `${passed} passed, ${failed} failed`;
  return skipped === 0 ? line : `${line}, ${skipped} skipped`;
}

/** Ends the output of a test run with one line that says how it went. */
export default class ClosingLineReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], strayErrors: readonly unknown[]): void {
    process.stdout.write(`\n${closingLine(tally(modules, strayErrors.length))}\n`);
  }
}
