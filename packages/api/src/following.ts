import { OperationalError } from "@coop/core";
import type { CancelReason, Clock, JobDesk, JobId, Log } from "@coop/core";

/**
 * Keeps the attached jobs that this process serves marked as followed, all in one call every few seconds,
 * and cancels a job as soon as its last follower here leaves before its end, or this process stops.
 */
export interface Following {
  /** Follows a job. Call `leave` exactly once. @param renewNow the mark may be about to lapse */
  enter(job: JobId, renewNow: boolean): { leave(why: "ended" | "unfollowed" | "unplaced"): void };
  /** Whether a request that this process serves follows the job. */
  follows(job: JobId): boolean;
  /** Cancels what is followed here, now and from now on. Resolves when the store has taken it, or is away. */
  stop(): Promise<void>;
}

export interface FollowingDeps {
  readonly clock: Clock;
  readonly desk: JobDesk;
  readonly log: Log;
  readonly followForMs: number;
  readonly followEveryMs: number;
}

/** A renewal that failed is repeated after this part of the usual time: a mark outlives few rounds. */
const RETRY_SHARE = 0.2;

export function createFollowing(deps: FollowingDeps): Following {
  const followers = new Map<JobId, number>();
  let timer: NodeJS.Timeout | null = null;
  let stopping = false;

  /** False when the store did not answer. */
  const renew = async (jobs: readonly JobId[]): Promise<boolean> => {
    try {
      await deps.desk.follow(jobs, deps.clock.now() + deps.followForMs);
      return true;
    } catch (error) {
      if (!(error instanceof OperationalError)) throw error;
      deps.log.warn(
        { code: error.code, jobs: jobs.length },
        "attached jobs could not be marked as followed; trying again",
      );
      return false;
    }
  };

  const cancel = async (job: JobId, reason: CancelReason): Promise<void> => {
    try {
      await deps.desk.cancel(job, null, reason, deps.clock.now());
    } catch (error) {
      if (!(error instanceof OperationalError)) throw error;
      deps.log.warn(
        { code: error.code, job, reason },
        "a job that nobody follows could not be cancelled; its mark will lapse",
      );
    }
  };

  const schedule = (afterMs: number): void => {
    timer ??= setTimeout(() => {
      timer = null;
      if (stopping || followers.size === 0) return;
      void renew([...followers.keys()]).then((renewed) =>
        schedule(renewed ? deps.followEveryMs : deps.followEveryMs * RETRY_SHARE),
      );
    }, afterMs).unref();
  };

  return {
    enter: (job, renewNow) => {
      followers.set(job, (followers.get(job) ?? 0) + 1);
      if (stopping) void cancel(job, "server-stopped");
      else {
        if (renewNow) void renew([job]);
        schedule(deps.followEveryMs);
      }
      return {
        leave: (why) => {
          const others = (followers.get(job) ?? 1) - 1;
          if (others > 0) {
            followers.set(job, others);
            return;
          }
          followers.delete(job);
          if (why !== "ended") void cancel(job, why);
        },
      };
    },
    follows: (job) => followers.has(job),
    stop: async () => {
      stopping = true;
      await Promise.all([...followers.keys()].map(async (job) => cancel(job, "server-stopped")));
    },
  };
}
