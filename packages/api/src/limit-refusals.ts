import { holdTokens } from "@coop/core";
import type { AdmitOutcome, JobSpec } from "@coop/core";
import { tokensLeft, untilNextMinute } from "./limit-headers.ts";
import { ProblemError } from "./problem.ts";

/** What a member hears who is over one of their limits: what is left of it, and when it helps to come again. */

type Refused<K extends AdmitOutcome["kind"]> = Extract<AdmitOutcome, { kind: K }>;

/** When tokens are counted anew. */
export interface NextMonth {
  /** Ms since the Unix epoch. */
  readonly atMs: number;
  /** Its first day where the co-op counts, `YYYY-MM-DD`. */
  readonly day: string;
  /** The co-op's, an IANA name. */
  readonly timeZone: string;
}

/** When to ask again where a job that ends makes room, seconds. */
const JOB_ENDS_S = 30;
const ANY_JOB_ENDS_S = 5;

/** Waiting for running jobs to settle may help, or only the next month. */
export function quotaExceeded(
  { standing }: Refused<"quota-exceeded">,
  spec: JobSpec,
  nextMonth: NextMonth,
): ProblemError {
  const { limitTokens, creditTokens, usedTokens, heldTokens } = standing;
  const limit = limitTokens ?? 0;
  const credit = creditTokens > 0 ? `, ${creditTokens} of them credit` : "";
  return tokensExceeded("quota_exceeded", spec, nextMonth, {
    limitTokens: limit,
    usedTokens,
    heldTokens,
    of: `your ${limit} for the month${credit}`,
  });
}

/** The month has a cap of its own for what asks for this tier; another tier may have room. */
export const tierQuotaExceeded = (
  { tier, limitTokens, usedTokens, heldTokens }: Refused<"tier-quota-exceeded">,
  spec: JobSpec,
  nextMonth: NextMonth,
): ProblemError =>
  tokensExceeded("tier_quota_exceeded", spec, nextMonth, {
    limitTokens,
    usedTokens,
    heldTokens,
    of: `your ${limitTokens} a month for the tier ${tier}`,
    remedy: " Or ask for another tier.",
    param: "model",
  });

interface Exceeded {
  readonly limitTokens: number;
  readonly usedTokens: number;
  readonly heldTokens: number;
  /** The limit in words. */
  readonly of: string;
  readonly remedy?: string;
  readonly param?: string;
}

function tokensExceeded(
  code: string,
  spec: JobSpec,
  nextMonth: NextMonth,
  { limitTokens, usedTokens, heldTokens, of, remedy = "", param }: Exceeded,
): ProblemError {
  const needed = holdTokens(spec);
  const left = tokensLeft(limitTokens, { usedTokens, heldTokens }) ?? 0;
  const mayPass = usedTokens + needed <= limitTokens;
  return new ProblemError(429, {
    code,
    ...(param !== undefined && { param }),
    message:
      `This may take ${needed} tokens (${spec.promptTokensMax} for the prompt, ${spec.maxOutputTokens} of output); ` +
      `${left} of ${of} are left (${usedTokens} used, ${heldTokens} held by jobs under way). ` +
      advice({ mayPass, needed, limitTokens }, nextMonth) +
      remedy,
    retryAfterS: mayPass ? JOB_ENDS_S : (nextMonth.atMs - spec.submittedAtMs) / 1000,
    ...(!mayPass && { repeat: false as const }),
  });
}

function advice(
  {
    mayPass,
    needed,
    limitTokens,
  }: { readonly mayPass: boolean; readonly needed: number; readonly limitTokens: number },
  nextMonth: NextMonth,
): string {
  if (mayPass) return "Wait for jobs to finish, or set a lower max_tokens.";
  if (limitTokens === 0) return "A limit of 0 has room for nothing: `coop quota` says why; ask an operator.";
  if (needed > limitTokens) return "Set a lower max_tokens: no month has room for this.";
  return `Set a lower max_tokens, or wait for the next month, which begins on ${nextMonth.day} in ${nextMonth.timeZone} (${new Date(nextMonth.atMs).toISOString()}).`;
}

export const tooManyAtOnce = ({ limit, unfinished }: Refused<"too-many-at-once">): ProblemError =>
  new ProblemError(429, {
    code: "too_many_at_once",
    message:
      `You may have ${limit} ${limit === 1 ? "job" : "jobs"} at once, and ${unfinished} of yours ` +
      `${unfinished === 1 ? "has" : "have"} not ended: none is left. Wait for one to finish, or cancel one.`,
    retryAfterS: ANY_JOB_ENDS_S,
  });

export function tooManyRequests({ limit }: Refused<"too-many-requests">, nowMs: number): ProblemError {
  const seconds = Math.ceil(untilNextMinute(nowMs) / 1000);
  return new ProblemError(429, {
    code: "too_many_requests",
    message: `You may ask ${limit} times a minute, and none is left of this minute. It ends in ${seconds} s.`,
    retryAfterS: seconds,
  });
}

export const tooManyPending = ({ scope }: Refused<"too-many-pending">): ProblemError =>
  new ProblemError(429, {
    code: "too_many_pending",
    message:
      scope === "member"
        ? "You have too many jobs waiting. Wait for some to finish, or cancel some."
        : "The co-op has too many jobs waiting. Try again in a minute.",
    retryAfterS: scope === "member" ? 30 : 60,
  });
