import type { QuotaStanding } from "@coop/core";

/** Where a member stands, and when that begins anew. */
export interface LimitsLeft {
  readonly standing: QuotaStanding;
  readonly requestsPerMinute: number | null;
  readonly nowMs: number;
  /** When the next month begins, ms since the Unix epoch. */
  readonly monthEndsMs: number;
}

const MINUTE_MS = 60_000;

/** Time until the minute is over in which requests are counted, ms. */
export const untilNextMinute = (nowMs: number): number => MINUTE_MS - (nowMs % MINUTE_MS);

/** Tokens that are neither used nor held; null where there is no limit. */
export const tokensLeft = (
  limitTokens: number | null,
  { usedTokens, heldTokens }: { readonly usedTokens: number; readonly heldTokens: number },
): number | null => (limitTokens === null ? null : Math.max(0, limitTokens - usedTokens - heldTokens));

/** The `x-ratelimit-*` headers as clients of the OpenAI dialect read them; what has no limit has none. */
export function limitHeaders({
  standing,
  requestsPerMinute,
  nowMs,
  monthEndsMs,
}: LimitsLeft): Record<string, string> {
  const { limitTokens, requestsLeft } = standing;
  return {
    ...(requestsPerMinute !== null &&
      requestsLeft !== null &&
      triple("requests", requestsPerMinute, requestsLeft, untilNextMinute(nowMs))),
    ...(limitTokens !== null &&
      triple("tokens", limitTokens, tokensLeft(limitTokens, standing) ?? 0, monthEndsMs - nowMs)),
  };
}

const triple = (what: string, limit: number, left: number, resetMs: number): Record<string, string> => ({
  [`x-ratelimit-limit-${what}`]: String(limit),
  [`x-ratelimit-remaining-${what}`]: String(left),
  [`x-ratelimit-reset-${what}`]: resetText(resetMs),
});

/** A time in whole seconds, rounded up, from its largest unit down: `12s`, `6m0s`, `239h0m0s`. */
export function resetText(ms: number): string {
  const seconds = Math.max(0, Math.ceil(ms / 1000));
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(minutes / 60);
  const parts = [`${hours}h`, `${minutes % 60}m`, `${seconds % 60}s`];
  if (hours > 0) return parts.join("");
  return parts.slice(minutes > 0 ? 1 : 2).join("");
}
