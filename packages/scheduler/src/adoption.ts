import type { DispatchEvent, JobRecord, NodeId, Usage } from "@coop/core";
import type { RunningAttempt, SchedulerFrame } from "@coop/protocol";
import type { AttemptDeps, AttemptEnds } from "./attempt-ends.ts";
import { refOf } from "./attempt-ends.ts";
import type { Attempt } from "./attempt-table.ts";

type Verdict = Extract<SchedulerFrame, { kind: "welcome" }>["running"][number];
type Adopted = Extract<DispatchEvent, { kind: "node-joined" }>["running"][number];

export interface Adoption {
  /** For the agent: what of its attempts goes on, and from which output. */
  readonly verdicts: readonly Verdict[];
  /** For the dispatcher: what the node runs. */
  readonly running: readonly Adopted[];
}

/**
 * Decides, when a node connects, which of the attempts it runs go on. The store decides: an attempt goes on
 * exactly when its epoch is the job's current one, on this node. Attempts that the node was believed to run
 * and does not name are lost. Null when the term ended meanwhile. What goes on is read when the node is told:
 * an attempt may be cancelled in between.
 */
export function createAdoption(
  deps: AttemptDeps & { readonly ends: AttemptEnds },
): (node: NodeId, claimed: readonly RunningAttempt[]) => Promise<(() => Adoption) | null> {
  const { store, table, clock, ends } = deps;

  const resumable = async (
    node: NodeId,
    claim: RunningAttempt,
  ): Promise<Attempt | "abandon" | "unavailable"> => {
    const known = table.held(node, claim.job, claim.epoch);
    await known?.steps.run(async () => {});
    const found = await store.read(claim.job);
    if (found.kind === "unavailable") return "unavailable";
    if (found.record === null || !runs(found.record, node, claim)) {
      if (known !== null) ends.lose(known);
      return "abandon";
    }
    const attempt =
      known === null || known.state.kind === "ended"
        ? table.add(attemptOf(found.record, node, claim, clock.now()))
        : known;
    // The store decides here too: it may have lost what it had acknowledged.
    attempt.lastSeq = found.record.lastSeq;
    attempt.outputTokens = found.record.deliveredTokens;
    if (attempt.state.kind === "assigned") {
      clearTimeout(attempt.state.revocation);
      attempt.state = { kind: "running" };
    }
    if (found.record.state.state === "running") return attempt;
    const accepted = await store.accept(claim.job, claim.epoch);
    return accepted.kind === "unavailable" ? "unavailable" : attempt;
  };

  const loseUnnamed = async (node: NodeId, claimed: readonly RunningAttempt[]): Promise<void> => {
    const named = new Set(claimed.map(({ job, epoch }) => `${job} ${epoch}`));
    for (const attempt of table.ofNode(node)) {
      if (named.has(`${attempt.spec.id} ${attempt.epoch}`)) continue;
      await attempt.steps.run(async () => {
        if (attempt.state.kind === "ended") return;
        const unheard = attempt.state.kind === "assigned";
        await ends.fail(refOf(attempt), {
          failure: "node-lost",
          message: unheard
            ? "the node connected anew without the assign"
            : "the node connected anew without the attempt",
          usage: usedBy(attempt),
          ...(unheard && { policy: { retry: true, excludeNode: false, counts: false } }),
        });
      });
    }
  };

  return async (node, claimed) => {
    await loseUnnamed(node, claimed);
    const settled = await store.settleAbsent(node, claimed);
    if (settled.kind === "unavailable") return null;
    const found = await Promise.all(claimed.map((claim) => resumable(node, claim)));
    if (found.includes("unavailable")) return null;
    const attempts = found.filter((one) => typeof one !== "string");
    const renewed = await store.renew(
      attempts.map((attempt) => ({ job: attempt.spec.id, epoch: attempt.epoch })),
    );
    if (renewed.kind === "unavailable") return null;
    const lost = new Set(renewed.lost.map(({ job }) => job));
    for (const attempt of attempts) if (lost.has(attempt.spec.id)) ends.lose(attempt);

    const verdictOf = ({ job, epoch }: RunningAttempt): Verdict => {
      const attempt = table.held(node, job, epoch);
      if (attempt === null) return { verdict: "abandon", job, epoch };
      return { verdict: "resume", job, epoch, fromSeq: attempt.lastSeq + 1 };
    };
    return () => ({ verdicts: claimed.map(verdictOf), running: table.ofNode(node).map(adoptedOf) });
  };
}

const runs = ({ state, epoch }: JobRecord, node: NodeId, claim: RunningAttempt): boolean =>
  (state.state === "leased" || state.state === "running") && state.node === node && epoch === claim.epoch;

/** A node that restarted generated nothing beyond what it delivered, as far as anyone can know. */
const usedBy = (attempt: Attempt): Usage =>
  attempt.state.kind === "assigned"
    ? { promptTokens: 0, outputTokens: 0 }
    : { promptTokens: attempt.spec.promptTokens, outputTokens: attempt.outputTokens };

const attemptOf = (
  record: JobRecord,
  node: NodeId,
  claim: RunningAttempt,
  nowMs: number,
): Omit<Attempt, "steps" | "bytesOnTheWay"> => ({
  spec: record.spec,
  epoch: record.epoch,
  node,
  model: claim.model,
  // The agent's clock may be off: an attempt began after its job came and before now.
  startedAtMs: Math.min(Math.max(claim.startedAtMs, record.spec.submittedAtMs), nowMs),
  state: { kind: "running" },
  lastSeq: record.lastSeq,
  outputTokens: record.deliveredTokens,
  outputBytes: record.deliveredBytes,
});

const adoptedOf = ({ spec, model, startedAtMs, outputTokens }: Attempt): Adopted => ({
  spec,
  model,
  startedAtMs,
  outputTokens,
});
