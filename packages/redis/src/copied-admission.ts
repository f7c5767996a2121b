import { OperationalError, type JobDesk } from "@coop/core";
import type { Redis } from "ioredis";
import { answered } from "./store-unavailable.ts";

/** Longest wait for a replica, ms; the answer has to come within the second that a command may take. */
const WAIT_MS = 700;

/**
 * Admission in front of a primary with replicas: what was admitted is acknowledged once a replica has it. A primary
 * may die with writes that it has answered and not passed on, so its answer alone does not keep a job; sentinels
 * choose the replica that has most. A job that no replica confirms in time may or may not be there: the caller
 * hears that it is unknown, as when Redis itself does not answer.
 *
 * @param redis a connection of its own: while it waits, nothing else is answered on it
 * @param key what is written to have a place in the stream of writes, behind all that was answered before
 */
export function admitCopied(desk: JobDesk, redis: Redis, key: string): JobDesk {
  let round: Promise<void> = Promise.resolve();
  let next: Promise<void> | null = null;

  const wait = async (): Promise<void> => {
    next = null;
    const [, copies] = await answered(Promise.all([redis.set(key, "asked"), redis.wait(1, WAIT_MS)]));
    if (copies > 0) return;
    throw new OperationalError(
      "store-unavailable",
      "No replica of Redis confirmed it in time; whether it will be kept is unknown. Ask again.",
      { retriable: true },
    );
  };
  /** One wait at a time; all that is admitted meanwhile shares the next. */
  const copied = (): Promise<void> => {
    next ??= round = round.then(wait, wait);
    return next;
  };

  return {
    ...desk,
    async admit(request) {
      const outcome = await desk.admit(request);
      if (outcome.kind === "admitted" || outcome.kind === "duplicate") await copied();
      return outcome;
    },
  };
}
