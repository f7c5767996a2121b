import { OperationalError } from "@coop/core";
import type { Erasures, JobId, Log } from "@coop/core";
import type { MiddlewareHandler } from "hono";
import type { ApiContext, ApiEnv } from "./deps.ts";
import type { Following } from "./following.ts";

/** A job whose end an answer carries. */
export interface Delivered {
  readonly job: JobId;
  /** Whether the answer went as far as the job's end. */
  readonly ended: () => boolean;
}

export interface DeliveryDeps {
  readonly erasures: Erasures;
  readonly following: Following;
  readonly log: Log;
}

/**
 * For a co-op that keeps nothing: removes a job's prompt and output once an answer with its end has left. What cannot
 * be removed now, or was left unread, goes when its time is over.
 */
export function forgetDelivered({ erasures, following, log }: DeliveryDeps): MiddlewareHandler<ApiEnv> {
  const forget = async ({ job, ended }: Delivered): Promise<void> => {
    if (!ended() || following.follows(job)) return;
    try {
      await erasures.forgetJob(job);
    } catch (error) {
      if (!(error instanceof OperationalError)) throw error;
      log.warn(
        { code: error.code, job },
        "what was delivered could not be removed; it goes when its time is over",
      );
    }
  };
  return async (c, next) => {
    await next();
    const delivered = c.get("delivered");
    if (delivered !== undefined && c.req.method !== "HEAD") whenLeft(c, () => void forget(delivered));
  };
}

/** Calls once the answer was handed to the network; never for one whose reader went away before. */
function whenLeft(c: ApiContext, then: () => void): void {
  const { outgoing } = c.env;
  if (outgoing !== undefined) outgoing.once("finish", then);
  else void (c.get("streamEnded") ?? Promise.resolve()).then(then);
}
