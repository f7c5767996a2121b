import type { Calendar, Clock, NodeBudget, NodeId, NodeReport } from "@coop/core";
import type { BudgetSpan } from "@coop/protocol";
import type { FencedStore } from "./fenced-store.ts";
import type { NodeSession } from "./node-session.ts";

/** Shortest time between two budget frames to an agent whose limits stay as they are, ms. */
const TOLD_EVERY_MS = 10_000;

/** What a node spent and what is left to it, as of one moment. */
export interface BudgetState {
  readonly budget: NodeBudget;
  readonly day: BudgetSpan;
  readonly month: BudgetSpan;
}

/** Knows of nodes' token budgets what the store counts: the owners' limits against what was used and is held. */
export interface NodeBudgets {
  /** Null when the store does not answer. */
  read(node: NodeId, limits: BudgetLimits): Promise<BudgetState | null>;
  /** Tells the agent, unless it knows or was told a moment ago. */
  tell(session: NodeSession, state: BudgetState): void;
}

export type BudgetLimits = Pick<NodeReport, "tokensPerDay" | "tokensPerMonth">;

export function createNodeBudgets({
  store,
  calendar,
  clock,
}: {
  readonly store: Pick<FencedStore, "spent">;
  readonly calendar: Calendar;
  readonly clock: Clock;
}): NodeBudgets {
  const told = new WeakMap<
    NodeSession,
    { readonly limits: string; readonly text: string; readonly atMs: number }
  >();
  return {
    async read(node, { tokensPerDay, tokensPerMonth }) {
      const nowMs = clock.now();
      const spent = await store.spent(node, calendar.dayOf(nowMs));
      if (spent.kind === "unavailable") return null;
      const day = { limitTokens: tokensPerDay, ...spent.day, endsMs: calendar.dayEndsMs(nowMs) };
      const month = { limitTokens: tokensPerMonth, ...spent.month, endsMs: calendar.monthEndsMs(nowMs) };
      return {
        day,
        month,
        budget: {
          dayLeftTokens: leftOf(day),
          dayEndsMs: day.endsMs,
          monthLeftTokens: leftOf(month),
          monthEndsMs: month.endsMs,
        },
      };
    },
    tell(session, { day, month }) {
      const before = told.get(session);
      const limits = `${day.limitTokens} ${month.limitTokens}`;
      const text = JSON.stringify([day, month]);
      const atMs = clock.now();
      if (text === before?.text) return;
      if (limits === before?.limits && Math.abs(atMs - before.atMs) < TOLD_EVERY_MS) return;
      told.set(session, { limits, text, atMs });
      session.link.send({ kind: "budget", day, month });
    },
  };
}

/** A limit that was lowered under what is spent leaves nothing. */
const leftOf = ({ limitTokens, usedTokens, heldTokens }: BudgetSpan): number | null =>
  limitTokens === null ? null : Math.max(0, limitTokens - usedTokens - heldTokens);
