import { couldBeServed, estimatePrompt, explainPlacement, limitWithCredit, monthOfDay } from "@coop/core";
import type {
  Accounting,
  AdmitOutcome,
  Calendar,
  Clock,
  FleetSnapshot,
  JobDesk,
  JobId,
  JobSpec,
  JobTarget,
  Member,
  MemberAccount,
  NodeRegistry,
  PendingCaps,
  Placement,
  QuotaStanding,
  Tier,
} from "@coop/core";
import type { ApiDefaults, Caller } from "./deps.ts";
import type { FleetView } from "./fleet-view.ts";
import type { Ids } from "./ids.ts";
import { revokedMeanwhile } from "./job-end.ts";
import type { LimitsLeft } from "./limit-headers.ts";
import {
  quotaExceeded,
  tierQuotaExceeded,
  tooManyAtOnce,
  tooManyPending,
  tooManyRequests,
} from "./limit-refusals.ts";
import type { NextMonth } from "./limit-refusals.ts";
import type { LimitsOf } from "./member-limits.ts";
import { outputLimit } from "./output-limit.ts";
import { ProblemError } from "./problem.ts";
import type { Submission, Work } from "./submission.ts";
import { askedTier, resolveTarget } from "./target.ts";

/**
 * The way into the queue. A1: nothing is held unless everything was checked. A2: the hold, the payload and
 * the job come to be in one step of the store, or not at all. A3: the member's answer begins after that.
 */

export interface AdmissionDeps {
  readonly clock: Clock;
  readonly ids: Ids;
  readonly desk: JobDesk;
  readonly accounting: Accounting;
  readonly nodes: NodeRegistry;
  readonly fleet: FleetView;
  readonly calendar: Calendar;
  readonly limitsOf: LimitsOf;
  readonly pendingCaps: PendingCaps;
  readonly defaults: ApiDefaults;
}

export interface Admitted {
  readonly job: JobId;
  /** An idempotency key led to a job that was there before. */
  readonly repeated: boolean;
  /** Who set the limit on output: `default` when the answer may end before the member asked it to. */
  readonly limitedBy: "member" | "default";
}

/** What becomes known on the way, whatever the answer will be. */
export interface Heard {
  /** The job's id, before the store has it: an answer that gets lost can be looked up. Null: there is no job. */
  job(job: JobId | null): void;
  /** Where the member stands after it. */
  left(left: LimitsLeft): void;
}

export type Admission = (caller: Caller, submission: Submission, heard: Heard) => Promise<Admitted>;

/** Admits work, or says exactly why not. */
export function createAdmission(deps: AdmissionDeps): Admission {
  return async (caller, submission, heard) => {
    const { work } = submission;
    const nowMs = deps.clock.now();
    const day = deps.calendar.dayOf(nowMs);
    const monthEndsMs = deps.calendar.monthEndsMs(nowMs);
    const [snapshot, limits] = await Promise.all([deps.fleet.known(), deps.limitsOf(caller.member)]);
    const target = await resolveKnownTarget(deps, caller, work, snapshot);
    const tier = askedTier(target, snapshot);
    const readAccount = async (): Promise<MemberAccount> =>
      deps.accounting.account(caller.member.id, monthOfDay(day));
    const output = await outputLimit({
      work,
      target,
      askedTier: tier,
      snapshot,
      limits,
      defaultTokens: deps.defaults.maxOutputTokens,
      account: readAccount,
    });
    const spec = specOf(deps.ids.job(), caller.member, submission, target, tier, output.tokens, nowMs);
    if (!couldBeServed(spec, snapshot)) throw impossible(explainPlacement(spec, snapshot, nowMs));
    heard.job(spec.id);
    const outcome = await deps.desk.admit({
      spec,
      payload: JSON.stringify(work.engineRequest(output.tokens)),
      metadata: submission.metadata,
      day,
      limits: {
        tokens: limits.floorTokens,
        tierTokens: limits.tierCaps[tier]?.tokens ?? null,
        jobsAtOnce: limits.jobsAtOnce,
        requestsPerMinute: limits.requestsPerMinute,
      },
      caps: deps.pendingCaps,
      idempotency: submission.idempotency,
      key: caller.key.id,
      followedUntilMs: submission.attachment === "attached" ? nowMs + deps.defaults.followForMs : null,
      nowMs,
    });
    if (outcome.kind !== "admitted") heard.job(null);
    if (outcome.kind !== "revoked") {
      const standing =
        "standing" in outcome ? outcome.standing : standingOf(await readAccount(), limits.floorTokens);
      heard.left({ standing, requestsPerMinute: limits.requestsPerMinute, nowMs, monthEndsMs });
    }
    const { job, repeated } = readOutcome(outcome, spec, () => ({
      atMs: monthEndsMs,
      day: deps.calendar.dayOf(monthEndsMs),
      timeZone: deps.calendar.timeZone,
    }));
    heard.job(job);
    return { job, repeated, limitedBy: output.by };
  };
}

/** As an account says it; how many requests are left of the minute it does not know. */
const standingOf = (account: MemberAccount, floorTokens: number | null): QuotaStanding => ({
  limitTokens: limitWithCredit(floorTokens, account.creditTokens),
  creditTokens: account.creditTokens,
  usedTokens: account.usedTokens,
  heldTokens: account.heldTokens,
  requestsLeft: null,
});

const specOf = (
  id: JobId,
  member: Member,
  submission: Submission,
  target: JobTarget,
  tier: Tier,
  maxOutputTokens: number,
  nowMs: number,
): JobSpec => ({
  id,
  member: member.id,
  weight: member.weight,
  endpoint: submission.work.endpoint,
  target,
  askedTier: tier,
  privacy: submission.privacy,
  needs: submission.work.needs,
  promptTokens: estimatePrompt(submission.work.longest).promptTokens,
  promptTokensMax: estimatePrompt(submission.work.prompt).promptTokensMax,
  maxOutputTokens,
  band: submission.band,
  attachment: submission.attachment,
  streamed: submission.streamed,
  submittedAtMs: nowMs,
  deadlineMs: submission.deadlineMs,
  session: submission.session,
});

async function resolveKnownTarget(
  deps: AdmissionDeps,
  caller: Caller,
  work: Work,
  snapshot: FleetSnapshot,
): Promise<JobTarget> {
  const unknownFleet = snapshot.nodes.length === 0;
  if (unknownFleet && (await deps.nodes.nodes()).every((node) => node.revokedAtMs !== null)) {
    throw new ProblemError(503, {
      code: "no_nodes",
      message: "No machine has joined this co-op yet. An operator invites one with: coop invite-node",
      retryAfterS: 60,
    });
  }
  try {
    return resolveTarget(work.requested, snapshot, caller.member.defaultTier);
  } catch (error) {
    if (unknownFleet) {
      throw new ProblemError(503, {
        code: "fleet_unknown",
        message: "No node has reported its models since the scheduler started. Try again in a few seconds.",
        retryAfterS: 5,
      });
    }
    throw error;
  }
}

function impossible({ nodes }: Placement): ProblemError {
  const reasons = nodes.map(({ nodeName, options }) => ({
    node: nodeName,
    reasons: [
      ...new Set(
        options.flatMap((option) =>
          option.kind === "refused"
            ? option.refusals.filter(({ passing }) => !passing).map(({ detail }) => detail)
            : [],
        ),
      ),
    ],
  }));
  return new ProblemError(422, {
    code: "no_node_can_serve",
    param: "model",
    message: `No node of this co-op could ever serve this: ${reasons.map(({ node, reasons: why }) => `${node}: ${why.join("; ")}`).join(". ")}.`,
    nodes: reasons,
  });
}

function readOutcome(
  outcome: AdmitOutcome,
  spec: JobSpec,
  nextMonth: () => NextMonth,
): { readonly job: JobId; readonly repeated: boolean } {
  switch (outcome.kind) {
    case "admitted":
      return { job: spec.id, repeated: false };
    case "duplicate":
      return { job: outcome.job, repeated: true };
    case "idempotency-conflict":
      throw new ProblemError(409, {
        code: "idempotency_conflict",
        param: "Idempotency-Key",
        message: `This Idempotency-Key belongs to job ${outcome.job}, which had another body. Use a new key for a new request.`,
        repeat: false,
      });
    case "quota-exceeded":
      throw quotaExceeded(outcome, spec, nextMonth());
    case "tier-quota-exceeded":
      throw tierQuotaExceeded(outcome, spec, nextMonth());
    case "too-many-at-once":
      throw tooManyAtOnce(outcome);
    case "too-many-requests":
      throw tooManyRequests(outcome, spec.submittedAtMs);
    case "revoked":
      throw revokedMeanwhile("Nothing was accepted.");
    case "too-many-pending":
      throw tooManyPending(outcome);
  }
}
