import { CliError } from "../cli-error.ts";
import { RefusedError } from "../client.ts";

/**
 * Requests of one kind to a server that may be busy, away or starting again. P1: while it is in trouble, one
 * request at a time finds out whether it is well again, after the wait that it asks for, else after one that
 * doubles. P2: a refusal that would be repeated reaches the caller at once.
 */
export interface Pace {
  /** Repeats the request until it is answered or refused for good. It must be safe to repeat. */
  run<T>(request: () => Promise<T>): Promise<T>;
}

export interface PaceDeps {
  readonly nowMs: () => number;
  /** Rejects when the run is given up. */
  readonly pause: (ms: number) => Promise<void>;
  /** Told of each wait. */
  readonly onTrouble: (why: CliError, waitMs: number) => void;
}

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 30_000;
/** A server that does not answer for this long is given up, ms. One that says it is busy is waited for. */
const PATIENCE_MS = 10 * 60_000;

interface Trouble {
  readonly sinceMs: number;
  readonly untilMs: number;
  readonly failures: number;
}

export function createPace({ nowMs, pause, onTrouble }: PaceDeps): Pace {
  let trouble: Trouble | null = null;
  let probe: Promise<void> | null = null;
  /** Grows with each failure: a request that began before the last one says nothing of the server as it is now. */
  let era = 0;

  /** Resolves when a request may go; what it resolves with is called when that request has an outcome. */
  const takeTurn = async (): Promise<() => void> => {
    for (;;) {
      if (trouble === null) return () => undefined;
      if (probe !== null) {
        await probe;
        continue;
      }
      const { promise, resolve } = Promise.withResolvers<void>();
      probe = promise;
      const done = (): void => {
        probe = null;
        resolve();
      };
      try {
        await pause(Math.max(0, trouble.untilMs - nowMs()));
      } catch (error) {
        done();
        throw error;
      }
      return done;
    }
  };

  const answered = (begunIn: number): void => {
    if (begunIn === era) trouble = null;
  };
  const troubled = (error: CliError, begunIn: number): void => {
    if (begunIn !== era) return;
    const atMs = nowMs();
    const { sinceMs, failures } = trouble ?? { sinceMs: atMs, failures: 0 };
    if (!isBusy(error) && atMs - sinceMs > PATIENCE_MS) throw error;
    const waitMs = waitAfter(error, failures);
    era += 1;
    trouble = { sinceMs, untilMs: atMs + waitMs, failures: failures + 1 };
    onTrouble(error, waitMs);
  };

  return {
    async run(request) {
      for (;;) {
        const done = await takeTurn();
        const begunIn = era;
        try {
          const answer = await request();
          answered(begunIn);
          return answer;
        } catch (error) {
          if (!isPassing(error)) {
            answered(begunIn);
            throw error;
          }
          troubled(error, begunIn);
        } finally {
          done();
        }
      }
    },
  };
}

const isBusy = (error: CliError): boolean => error instanceof RefusedError && error.status === 429;

const PASSING_STATUSES: ReadonlySet<number> = new Set([408, 429, 502, 503, 504]);

function isPassing(error: unknown): error is CliError {
  if (error instanceof RefusedError) return error.mayRepeat && PASSING_STATUSES.has(error.status);
  return (
    error instanceof CliError && (error.code === "server-not-reachable" || error.code === "server-silent")
  );
}

function waitAfter(error: CliError, failures: number): number {
  if (error instanceof RefusedError && error.retryAfterMs !== null) return error.retryAfterMs;
  return Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** failures);
}
