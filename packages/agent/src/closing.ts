/**
 * Closes what was opened, the last first, also when one of them fails: then the first failure is thrown in the end.
 * The language's own AsyncDisposableStack is missing from the oldest Node that an agent runs on.
 */
export class Closing implements AsyncDisposable {
  readonly #deferred: (() => void | Promise<void>)[] = [];

  defer(close: () => void | Promise<void>): void {
    this.#deferred.push(close);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const failures: unknown[] = [];
    for (const close of this.#deferred.splice(0).toReversed()) {
      try {
        await close();
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
  }
}
