import { estimatePrompt, limitWithCredit } from "@coop/core";
import type { EffectiveLimits, JobTarget, MemberAccount, FleetSnapshot, Tier } from "@coop/core";
import { tokensLeft } from "./limit-headers.ts";
import { ProblemError } from "./problem.ts";
import type { Work } from "./submission.ts";
import { candidates } from "./target.ts";

export interface OutputLimit {
  readonly tokens: number;
  /** Who set it: `default` when the answer may end before the member asked it to. */
  readonly by: "member" | "default";
}

export interface OutputLimitFacts {
  readonly work: Work;
  readonly target: JobTarget;
  readonly askedTier: Tier;
  readonly snapshot: FleetSnapshot;
  readonly limits: EffectiveLimits;
  /** The co-op's default, tokens. */
  readonly defaultTokens: number;
  /** Reads the member's month; only asked where it matters. */
  readonly account: () => Promise<MemberAccount>;
}

/**
 * The member's limit, or the co-op's default within what the month has left; always within a context.
 * @throws ProblemError 400 for a prompt that no context holds
 */
export async function outputLimit(facts: OutputLimitFacts): Promise<OutputLimit> {
  const { work, target, snapshot } = facts;
  const contexts = candidates(target, snapshot).map((model) => model.contextTokens);
  const roomTokens =
    contexts.length === 0 ? Infinity : Math.max(...contexts) - estimatePrompt(work.longest).promptTokens;
  if (roomTokens < Math.min(1, work.maxOutputTokens ?? 1)) throw tooLong(work, Math.max(...contexts));
  if (work.maxOutputTokens !== null && work.maxOutputTokens <= roomTokens)
    return { tokens: work.maxOutputTokens, by: "member" };
  if (work.maxOutputTokens !== null) return { tokens: roomTokens, by: "default" };

  const wanted = Math.min(facts.defaultTokens, roomTokens);
  const left = (await monthLeft(facts)) - estimatePrompt(work.prompt).promptTokensMax;
  return { tokens: left >= 1 ? Math.min(wanted, left) : wanted, by: "default" };
}

/** What the month has left for a job that asks for this tier, tokens; Infinity without a limit. */
async function monthLeft({ limits, askedTier, account }: OutputLimitFacts): Promise<number> {
  const cap = limits.tierCaps[askedTier];
  if (limits.floorTokens === null && cap === undefined) return Infinity;
  const month = await account();
  const ofTier = month.tiers[askedTier] ?? { usedTokens: 0, heldTokens: 0 };
  return Math.min(
    tokensLeft(limitWithCredit(limits.floorTokens, month.creditTokens), month) ?? Infinity,
    tokensLeft(cap?.tokens ?? null, ofTier) ?? Infinity,
  );
}

const tooLong = (work: Work, contextTokens: number): ProblemError =>
  new ProblemError(400, {
    code: "context_length_exceeded",
    param: work.endpoint === "chat" ? "messages" : "input",
    message:
      `The prompt has about ${estimatePrompt(work.longest).promptTokens} tokens; the largest context that ` +
      `${work.requested} has in this co-op is ${contextTokens} tokens. Shorten it or ask for another model.`,
  });
