import type { FailureClass } from "@coop/core";
import type { GenerateLimits } from "../engine.ts";
import { EngineFault } from "./fault.ts";

/** The stretches of a generation, each with a limit of its own; the limit in all runs beside them. */
export type Stretch = "load" | "first-token" | "idle";

/**
 * Ends one generation when its caller aborts or a limit passes. The engine's time counts, not the
 * consumer's: a stretch runs while the engine is awaited and rests while its output is handled.
 */
export interface Watch extends Disposable {
  /** Aborts when the generation must stop, whatever the cause. */
  readonly signal: AbortSignal;
  /** Why the generation must stop: `Aborted`, or the EngineFault of the limit that passed; null while it may go on. */
  readonly cause: Error | null;
  /** Throws the cause, if there is one. */
  check(): void;
  /** Waits for the engine within a stretch. Rejects with an EngineFault past its limit, or `Aborted`. */
  await<T>(stretch: Stretch, work: Promise<T>): Promise<T>;
}

/** The caller aborted. */
export class Aborted extends Error {
  override readonly name = "Aborted";
  constructor() {
    super("aborted by the caller");
  }
}

export function createWatch(caller: AbortSignal, limits: GenerateLimits): Watch {
  const controller = new AbortController();
  let cause: Error | null = null;
  let waiting: Waiting | null = null;
  let timer: StretchTimer | null = null;

  const end = (first: Error): void => {
    if (cause !== null) return;
    cause = first;
    controller.abort(first);
    waiting?.reject(first);
  };
  const onAbort = (): void => end(new Aborted());
  if (caller.aborted) onAbort();
  caller.addEventListener("abort", onAbort, { once: true });

  const total = setTimeout(
    () => end(timeout("total-timeout", limits.totalMs, "the whole generation")),
    boundedDelay(limits.totalMs),
  );

  /** One timer a stretch: it rests while nothing is awaited, and starts over with each wait. */
  const startTimer = (stretch: Stretch): void => {
    if (timer?.stretch === stretch) {
      timer.timeout.refresh();
      return;
    }
    if (timer !== null) clearTimeout(timer.timeout);
    const { failure, limitMs, what } = stretchLimit(stretch, limits);
    const onTimeout = (): void => {
      if (waiting !== null) end(timeout(failure, limitMs, what));
    };
    timer = { stretch, timeout: setTimeout(onTimeout, boundedDelay(limitMs)) };
  };

  return {
    signal: controller.signal,
    get cause() {
      return cause;
    },
    check() {
      if (cause !== null) throw cause;
    },
    await<T>(stretch: Stretch, work: Promise<T>): Promise<T> {
      startTimer(stretch);
      return new Promise<T>((resolve, reject) => {
        waiting = { reject };
        // Cleared before the result is passed on: whoever receives it may wait again at once.
        const settle =
          <Result>(pass: (result: Result) => void) =>
          (result: Result): void => {
            waiting = null;
            pass(result);
          };
        work.then(settle(resolve), settle(reject));
        if (cause !== null) reject(cause);
      });
    },
    [Symbol.dispose]() {
      clearTimeout(total);
      if (timer !== null) clearTimeout(timer.timeout);
      caller.removeEventListener("abort", onAbort);
    },
  };
}

interface Waiting {
  reject(cause: Error): void;
}

interface StretchTimer {
  readonly stretch: Stretch;
  readonly timeout: NodeJS.Timeout;
}

const timeout = (failure: FailureClass, limitMs: number, what: string): EngineFault =>
  new EngineFault(failure, `${what} took longer than ${limitMs} ms`);

/** A timer's longest delay; a longer one would fire at once. */
const boundedDelay = (ms: number): number => Math.min(Math.max(0, ms), 2 ** 31 - 1);

function stretchLimit(
  stretch: Stretch,
  limits: GenerateLimits,
): { readonly failure: FailureClass; readonly limitMs: number; readonly what: string } {
  switch (stretch) {
    case "load":
      return { failure: "load-timeout", limitMs: limits.loadMs, what: "loading the model" };
    case "first-token":
      return { failure: "first-token-timeout", limitMs: limits.firstTokenMs, what: "the first output" };
    case "idle":
      return { failure: "idle-timeout", limitMs: limits.idleMs, what: "the next piece of output" };
  }
}
