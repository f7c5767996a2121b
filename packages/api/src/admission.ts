import { couldBeServed, estimatePrompt, explainPlacement } from "@coop/core";
import type {
  AdmitOutcome,
  Calendar,
  Clock,
  FleetSnapshot,
  JobDesk,
  JobId,
  JobSpec,
  JobTarget,
  NodeRegistry,
  PendingCaps,
  Placement,
} from "@coop/core";
import type { ApiDefaults, Caller } from "./deps.ts";
import type { FleetView } from "./fleet-view.ts";
import type { Ids } from "./ids.ts";
import { revokedMeanwhile } from "./job-end.ts";
import { ProblemError } from "./problem.ts";
import type { Submission, Work } from "./submission.ts";
import { askedTier, candidates, resolveTarget } from "./target.ts";

/**
 * The way into the queue. A1: nothing is held unless everything was checked. A2: the hold, the payload and
 * the job come to be in one step of the store, or not at all. A3: the member's answer begins after that.
 */

export interface AdmissionDeps {
  readonly clock: Clock;
  readonly ids: Ids;
  readonly desk: JobDesk;
  readonly nodes: NodeRegistry;
  readonly fleet: FleetView;
  readonly calendar: Calendar;
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

export type Admission = (
  caller: Caller,
  submission: Submission,
  onJob: (job: JobId) => void,
) => Promise<Admitted>;

/**
 * Admits work, or says exactly why not.
 * `onJob` hears the job's id before the store does: an answer that gets lost can be looked up.
 */
export function createAdmission(deps: AdmissionDeps): Admission {
  return async (caller, submission, onJob) => {
    const { work } = submission;
    const nowMs = deps.clock.now();
    const month = deps.calendar.monthOf(nowMs);
    const snapshot = await deps.fleet.known();
    const target = await resolveKnownTarget(deps, caller, work, snapshot);
    const limit = await outputLimit(deps, caller, work, target, snapshot, month);
    const spec: JobSpec = {
      id: deps.ids.job(),
      member: caller.member.id,
      weight: caller.member.weight,
      endpoint: work.endpoint,
      target,
      askedTier: askedTier(target, snapshot),
      privacy: submission.privacy,
      needs: work.needs,
      promptTokens: estimatePrompt(work.longest).promptTokens,
      promptTokensMax: estimatePrompt(work.prompt).promptTokensMax,
      maxOutputTokens: limit.tokens,
      band: submission.band,
      attachment: submission.attachment,
      streamed: submission.streamed,
      submittedAtMs: nowMs,
      deadlineMs: submission.deadlineMs,
      session: submission.session,
    };
    if (!couldBeServed(spec, snapshot)) throw impossible(explainPlacement(spec, snapshot, nowMs));
    onJob(spec.id);
    const outcome = await deps.desk.admit({
      spec,
      payload: JSON.stringify(work.engineRequest(limit.tokens)),
      metadata: submission.metadata,
      month,
      quotaTokens: caller.member.quotaTokens,
      caps: deps.pendingCaps,
      idempotency: submission.idempotency,
      key: caller.key.id,
      followedUntilMs: submission.attachment === "attached" ? nowMs + deps.defaults.followForMs : null,
      nowMs,
    });
    const { job, repeated } = readOutcome(outcome, spec, deps.calendar);
    onJob(job);
    return { job, repeated, limitedBy: limit.by };
  };
}

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

/** The member's limit, or the co-op's default within what the month's quota has left; always within a context. */
async function outputLimit(
  deps: AdmissionDeps,
  { member }: Caller,
  work: Work,
  target: JobTarget,
  snapshot: FleetSnapshot,
  month: string,
): Promise<{ readonly tokens: number; readonly by: "member" | "default" }> {
  const contexts = candidates(target, snapshot).map((model) => model.contextTokens);
  const roomTokens =
    contexts.length === 0 ? Infinity : Math.max(...contexts) - estimatePrompt(work.longest).promptTokens;
  if (roomTokens < Math.min(1, work.maxOutputTokens ?? 1)) throw tooLong(work, Math.max(...contexts));
  if (work.maxOutputTokens !== null && work.maxOutputTokens <= roomTokens)
    return { tokens: work.maxOutputTokens, by: "member" };
  if (work.maxOutputTokens !== null) return { tokens: roomTokens, by: "default" };

  const wanted = Math.min(deps.defaults.maxOutputTokens, roomTokens);
  if (member.quotaTokens === null) return { tokens: wanted, by: "default" };
  const { usedTokens, heldTokens } = await deps.desk.account(member.id, month);
  const left = member.quotaTokens - usedTokens - heldTokens - estimatePrompt(work.prompt).promptTokensMax;
  return { tokens: left >= 1 ? Math.min(wanted, left) : wanted, by: "default" };
}

const tooLong = (work: Work, contextTokens: number): ProblemError =>
  new ProblemError(400, {
    code: "context_length_exceeded",
    param: work.endpoint === "chat" ? "messages" : "input",
    message:
      `The prompt has about ${estimatePrompt(work.longest).promptTokens} tokens; the largest context that ` +
      `${work.requested} has in this co-op is ${contextTokens} tokens. Shorten it or ask for another model.`,
  });

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
  calendar: Calendar,
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
      throw quotaExceeded(outcome, spec, calendar);
    case "revoked":
      throw revokedMeanwhile("Nothing was accepted.");
    case "too-many-pending":
      throw new ProblemError(429, {
        code: "too_many_pending",
        message:
          outcome.scope === "member"
            ? "You have too many jobs waiting. Wait for some to finish, or cancel some."
            : "The co-op has too many jobs waiting. Try again in a minute.",
        retryAfterS: outcome.scope === "member" ? 30 : 60,
      });
  }
}

/** Waiting for running jobs to settle may help, or only the next month. */
function quotaExceeded(
  { limitTokens, usedTokens, heldTokens }: Extract<AdmitOutcome, { kind: "quota-exceeded" }>,
  spec: JobSpec,
  calendar: Calendar,
): ProblemError {
  const needed = spec.promptTokensMax + spec.maxOutputTokens;
  const left = Math.max(0, limitTokens - usedTokens - heldTokens);
  const mayPass = usedTokens + needed <= limitTokens;
  return new ProblemError(429, {
    code: "quota_exceeded",
    message:
      `This may take ${needed} tokens (${spec.promptTokensMax} for the prompt, ${spec.maxOutputTokens} of output); ` +
      `${left} of your ${limitTokens} for the month are left (${usedTokens} used, ${heldTokens} held by jobs under way). ` +
      (mayPass
        ? "Wait for jobs to finish, or set a lower max_tokens."
        : "Set a lower max_tokens, or wait for the next month."),
    retryAfterS: mayPass ? 30 : (calendar.monthEndsMs(spec.submittedAtMs) - spec.submittedAtMs) / 1000,
    ...(!mayPass && { repeat: false as const }),
  });
}
