import type { Clock } from "@coop/core";

/** Lets through a burst and then a steady rate, so that a storm of reconnections arrives in portions. */
export interface TokenBucket {
  /** 0 when admitted, otherwise how long to wait before trying again, ms. */
  take(): number;
}

export function createTokenBucket(
  deps: { readonly clock: Clock },
  burst: number,
  perSecond: number,
): TokenBucket {
  let tokens = burst;
  let filledAtMs = deps.clock.now();
  return {
    take() {
      const nowMs = deps.clock.now();
      tokens = Math.min(burst, tokens + (Math.max(0, nowMs - filledAtMs) / 1000) * perSecond);
      filledAtMs = nowMs;
      if (tokens < 1) return Math.ceil(((1 - tokens) / perSecond) * 1000);
      tokens -= 1;
      return 0;
    },
  };
}
