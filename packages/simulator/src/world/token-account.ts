import type { Calendar, NodeBudget } from "@coop/core";
import { assert } from "@coop/core";
import type { SimNode } from "./fleet.ts";

/** A node's token budget as the store keeps it: holds when an attempt starts, what it used when it ends. */
export interface TokenAccount {
  /** What is left, neither used nor held. */
  readonly budget: (nowMs: number) => NodeBudget;
  /** @throws when more is held than is left: no policy may do that. */
  readonly hold: (tokens: number, nowMs: number) => TokenHold;
  /** Turns a hold into what was used, in the day and month that it was taken in. */
  readonly settle: (hold: TokenHold, usedTokens: number, nowMs: number) => void;
}

export interface TokenHold {
  readonly tokens: number;
  readonly dayEndsMs: number;
  readonly monthEndsMs: number;
}

interface Period {
  readonly limitTokens: number | null;
  readonly endOf: (nowMs: number) => number;
  takenTokens: number;
  endsMs: number;
}

export function createTokenAccount(
  { name, tokensPerDay, tokensPerMonth }: Pick<SimNode, "name" | "tokensPerDay" | "tokensPerMonth">,
  calendar: Calendar,
): TokenAccount {
  const day: Period = {
    limitTokens: tokensPerDay,
    endOf: calendar.dayEndsMs,
    takenTokens: 0,
    endsMs: -Infinity,
  };
  const month: Period = {
    limitTokens: tokensPerMonth,
    endOf: calendar.monthEndsMs,
    takenTokens: 0,
    endsMs: -Infinity,
  };
  const periods = [day, month];

  const turn = (nowMs: number): void => {
    for (const period of periods) {
      if (nowMs < period.endsMs) continue;
      period.endsMs = period.endOf(nowMs);
      period.takenTokens = 0;
    }
  };
  const left = ({ limitTokens, takenTokens }: Period): number | null =>
    limitTokens === null ? null : limitTokens - takenTokens;

  return {
    budget(nowMs) {
      turn(nowMs);
      return {
        dayLeftTokens: left(day),
        dayEndsMs: day.endsMs,
        monthLeftTokens: left(month),
        monthEndsMs: month.endsMs,
      };
    },
    hold(tokens, nowMs) {
      turn(nowMs);
      for (const period of periods) {
        period.takenTokens += tokens;
        assert((left(period) ?? 0) >= 0, `${name} starts nothing beyond its token budget`);
      }
      return { tokens, dayEndsMs: day.endsMs, monthEndsMs: month.endsMs };
    },
    settle(hold, usedTokens, nowMs) {
      turn(nowMs);
      if (hold.dayEndsMs === day.endsMs) day.takenTokens += usedTokens - hold.tokens;
      if (hold.monthEndsMs === month.endsMs) month.takenTokens += usedTokens - hold.tokens;
    },
  };
}
