import { OperationalError } from "@coop/core";
import { ReplyError } from "ioredis";

/** Replies by which Redis says that it cannot serve now, rather than that the command is wrong. */
const PASSING_REPLIES = /^(LOADING|READONLY|OOM|MISCONF|BUSY|TRYAGAIN|CLUSTERDOWN|MASTERDOWN|NOREPLICAS)\b/;

/**
 * Awaits a command. A broken connection, a timeout or a Redis that cannot serve becomes an OperationalError
 * `store-unavailable`, retriable, after which it is unknown whether the command took effect; a reply that
 * the command is wrong is a bug and passes as it is.
 */
export async function answered<T>(command: Promise<T>): Promise<T> {
  try {
    return await command;
  } catch (error) {
    const reply = error instanceof ReplyError && error instanceof Error ? error.message : null;
    if (reply !== null && !PASSING_REPLIES.test(reply)) throw error;
    throw new OperationalError(
      "store-unavailable",
      "Redis did not answer; whether it did what was asked is unknown. Ask again.",
      {
        retriable: true,
        cause: error,
      },
    );
  }
}
