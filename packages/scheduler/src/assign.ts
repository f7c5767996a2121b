import type { Calendar, DispatchEffect, JobSpec, LeaseOutcome, NodeId, Usage } from "@coop/core";
import { engineRequestSchema } from "@coop/protocol";
import type { EngineRequest } from "@coop/protocol";
import type { AttemptDeps, AttemptEnds } from "./attempt-ends.ts";
import { refOf } from "./attempt-ends.ts";
import type { Attempt } from "./attempt-table.ts";
import type { NodeSession } from "./node-session.ts";

export interface AssignDeps extends AttemptDeps {
  readonly ends: AttemptEnds;
  /** The co-op's: token budgets count by its days and months. */
  readonly calendar: Calendar;
  readonly sessionOf: (node: NodeId) => NodeSession | undefined;
  readonly sessions: () => Iterable<NodeSession>;
  /** Asks the store what is left of the node's token budget and tells the dispatcher. */
  readonly refreshBudget: (session: NodeSession) => Promise<void>;
}

const NOTHING_USED: Usage = { promptTokens: 0, outputTokens: 0 };

type Assignment = Extract<DispatchEffect, { kind: "assign" }>;
type Leased = Extract<LeaseOutcome, { kind: "leased" }>;

/**
 * Carries a placement out: lease in the store, then `assign` to the node at once, then wait for `accepted`.
 * Whatever prevents it hands the job back to the dispatcher.
 */
export function createAssigner(deps: AssignDeps): (assignment: Assignment) => Promise<void> {
  const { clock, log, metrics, timing, store, table, tell, ends } = deps;

  const revoke = (attempt: Attempt): void => {
    const revoking = attempt.steps.run(async () => {
      if (attempt.state.kind !== "assigned") return;
      const ref = refOf(attempt);
      deps.sendTo(ref.node, { kind: "cancel", job: ref.job, epoch: ref.epoch });
      await ends.fail(ref, {
        failure: "node-lost",
        message: `the node did not accept the assign within ${timing.acceptMs} ms`,
        usage: null,
        policy: { retry: true, excludeNode: true, counts: false },
      });
    });
    deps.own(revoking);
  };

  const send = async (assignment: Assignment, leased: Leased, session: NodeSession): Promise<void> => {
    const { spec, node, model } = assignment;
    const nowMs = clock.now();
    const attempt = table.add({
      spec,
      epoch: leased.epoch,
      node,
      model,
      startedAtMs: nowMs,
      state: { kind: "assigned", revocation: setTimeout(() => revoke(attempt), timing.acceptMs) },
      lastSeq: 0,
      outputTokens: 0,
      outputBytes: 0,
    });
    // A node that connected anew meanwhile said what it runs without this attempt.
    if (deps.sessionOf(node) !== session) {
      return ends.fail(refOf(attempt), {
        failure: "node-lost",
        message: "the node disconnected before the assign was sent",
        usage: NOTHING_USED,
        policy: { retry: true, excludeNode: false, counts: false },
      });
    }
    const request = readPayload(leased.payload);
    if (request === null) {
      log.error({ job: spec.id }, "a stored payload is not an engine request");
      return ends.finish(attempt, {
        kind: "failed",
        code: "bad-request",
        message: "the stored request cannot be read",
        usage: NOTHING_USED,
      });
    }
    session.link.send({
      kind: "assign",
      job: spec.id,
      epoch: leased.epoch,
      model,
      request,
      deadlineMs: spec.deadlineMs,
      remainingMs: Math.max(0, spec.deadlineMs - nowMs),
      privacy: spec.privacy,
      allowedNodes: allowedNodes(spec, node, deps.sessions()),
      promptTokensMax: spec.promptTokensMax,
    });
    metrics.dispatched(spec.askedTier, Math.max(0, clock.now() - spec.submittedAtMs) / 1000);
  };

  return async (assignment) => {
    const { spec, node, model, tier, placement } = assignment;
    const nowMs = clock.now();
    // A node could only begin it in vain; a sweep expires it.
    if (spec.deadlineMs <= nowMs) return tell({ kind: "attempt-ended", job: spec.id, usage: NOTHING_USED });
    const session = deps.sessionOf(node);
    if (session === undefined) return ends.handBack(spec.id);
    const { identity, report } = session;
    const outcome = await store.lease({
      job: spec.id,
      node,
      nodeName: identity.name,
      nodeOwner: identity.owner,
      model,
      tier,
      cloud: report.models.some((known) => known.name === model && known.cloud),
      tokensPerDay: report.tokensPerDay,
      tokensPerMonth: report.tokensPerMonth,
      day: deps.calendar.dayOf(nowMs),
      leaseUntilMs: nowMs + timing.leaseMs,
      placement,
      nowMs,
    });
    switch (outcome.kind) {
      case "leased":
        return send(assignment, outcome, session);
      case "not-queued":
        return tell({ kind: "attempt-ended", job: spec.id, usage: null });
      case "refused":
        log.warn(
          { job: spec.id, node, reason: outcome.reason },
          "the store refused a lease that placement wanted",
        );
        await deps.refreshBudget(session);
        return ends.handBack(spec.id, {
          notBeforeMs: clock.now() + timing.busyRetryMs,
          exclude: outcome.reason === "privacy" ? [node] : [],
        });
      case "unavailable":
        return ends.handBack(spec.id, { notBeforeMs: clock.now() + timing.busyRetryMs });
    }
  };
}

/** The agent checks this list itself: own work names every node of its member, so that a misplaced job is refused. */
function allowedNodes(spec: JobSpec, node: NodeId, sessions: Iterable<NodeSession>): NodeId[] {
  if (spec.privacy !== "own") return [node];
  const own: NodeId[] = [];
  for (const { identity } of sessions) if (identity.owner === spec.member) own.push(identity.id);
  return own;
}

function readPayload(payload: string): EngineRequest | null {
  let value: unknown;
  try {
    value = JSON.parse(payload);
  } catch {
    return null;
  }
  const request = engineRequestSchema.safeParse(value);
  return request.success ? request.data : null;
}
