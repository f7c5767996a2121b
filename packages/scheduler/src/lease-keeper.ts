import type { NodeId, SweepReport, Usage } from "@coop/core";
import type { AttemptDeps, AttemptEnds, AttemptRef } from "./attempt-ends.ts";
import type { Attempt } from "./attempt-table.ts";
import type { NodeSession } from "./node-session.ts";

/** Leases renewed in one call of the store. */
const MOST_LEASES_A_CALL = 1_000;

export interface LeaseKeeperDeps extends AttemptDeps {
  readonly ends: AttemptEnds;
  readonly sessions: () => Iterable<NodeSession>;
  readonly sessionOf: (node: NodeId) => NodeSession | undefined;
}

/** Decides with the store who is alive: attempts of connected nodes keep their leases, others lapse and are tried again. */
export interface LeaseKeeper {
  /** Renews the lease of every attempt whose node is connected. */
  renew(): Promise<void>;
  /**
   * Stops an attempt that the store has fenced off. One that its connected node has forgotten nobody will speak
   * of again: its hold on the node is settled here.
   */
  stop(ref: AttemptRef): Promise<void>;
  /** Ends what lapsed, expired, or is followed by nobody. In the amnesty nothing does. */
  sweep(amnesty: boolean): Promise<void>;
}

export function createLeaseKeeper(deps: LeaseKeeperDeps): LeaseKeeper {
  const { store, table, tell, ends, metrics, log, sendTo } = deps;

  const loseIfStillHeld = (attempt: Attempt): Promise<void> =>
    attempt.steps.run(async () => {
      if (attempt.state.kind !== "ended") ends.lose(attempt);
    });

  const renew = async (): Promise<void> => {
    const live = [...deps.sessions()].flatMap(({ identity }) => table.ofNode(identity.id));
    for (let from = 0; from < live.length; from += MOST_LEASES_A_CALL) {
      const some = live.slice(from, from + MOST_LEASES_A_CALL);
      const outcome = await store.renew(
        some.map((attempt) => ({ job: attempt.spec.id, epoch: attempt.epoch })),
      );
      if (outcome.kind === "unavailable") return;
      const lost = new Set(outcome.lost.map(({ job, epoch }) => `${job} ${epoch}`));
      await Promise.all(
        some.filter((attempt) => lost.has(`${attempt.spec.id} ${attempt.epoch}`)).map(loseIfStillHeld),
      );
    }
  };

  /**
   * A node that is connected named what it runs when it came: it has forgotten this attempt, and generated
   * nothing beyond what it delivered, as far as anyone can know. One that is away may still say.
   */
  const usedBy = async ({ job, node }: AttemptRef): Promise<Usage | null> => {
    if (deps.sessionOf(node) === undefined) return null;
    const found = await store.read(job);
    if (found.kind === "unavailable" || found.record === null) return null;
    return { promptTokens: found.record.spec.promptTokens, outputTokens: found.record.deliveredTokens };
  };

  const stop = async (ref: AttemptRef): Promise<void> => {
    const { job, epoch, node } = ref;
    const attempt = table.held(node, job, epoch);
    if (attempt !== null) table.end(attempt);
    sendTo(node, { kind: "cancel", job, epoch });
    const usage = attempt === null ? await usedBy(ref) : null;
    if (usage !== null) await ends.settle(ref, usage);
  };

  const follow = async (report: SweepReport): Promise<void> => {
    for (const job of report.unfollowed) {
      metrics.jobEnded("cancelled");
      tell({ kind: "job-gone", job });
    }
    for (const job of report.expired) {
      metrics.jobEnded("expired");
      tell({ kind: "job-gone", job });
    }
    for (const ref of report.fenced) await stop(ref);
    for (const lapsed of report.lapsed) {
      metrics.leaseLost();
      sendTo(lapsed.node, { kind: "cancel", job: lapsed.job, epoch: lapsed.epoch });
      await ends.fail(lapsed, {
        failure: "node-lost",
        message: "the node was not heard of for as long as its lease lasted",
        usage: await usedBy(lapsed),
      });
    }
    if (report.overdueHolds > 0)
      log.warn({ holds: report.overdueHolds }, "charged nodes in full for attempts they never settled");
  };

  return {
    renew,
    stop,
    async sweep(amnesty) {
      const outcome = await store.sweep(amnesty);
      if (outcome.kind === "swept") await follow(outcome.report);
    },
  };
}
