import { monthOfDay } from "../calendar.ts";
import type { TerminalState } from "../job/job.ts";
import type { UsageReader, UsageRow } from "../ports/usage.ts";
import { WAIT_EDGES_MS } from "../ports/usage.ts";
import type { MemberId } from "../terms.ts";

type Place = NonNullable<UsageRow["place"]>;
type Counts = { -readonly [Name in keyof Omit<UsageRow, "day" | "place" | "nodeMs">]: number };

/** Where something was used: by whom, admitted on which day, and on what. */
export interface UsedAt {
  readonly member: MemberId;
  readonly day: string;
  readonly place: Place | null;
}

/** The usage rolled up by member, month, day and place. */
export function createMemoryUsage() {
  const rows = new Map<string, { readonly at: UsedAt; readonly counts: Counts; nodeUs: number }>();
  const waits = new Map<string, number[]>();

  const rowOf = (at: UsedAt) => {
    const { node, model, tier } = at.place ?? { node: "", model: "", tier: "" };
    const name = [at.member, at.day, node, tier, model].join(" ");
    const empty = { succeeded: 0, failed: 0, cancelled: 0, expired: 0 };
    const counts: Counts = { ...empty, promptTokens: 0, outputTokens: 0, chargedTokens: 0 };
    const row = rows.get(name) ?? { at, counts, nodeUs: 0 };
    rows.set(name, row);
    return row;
  };

  const reader: UsageReader = {
    async month(member, month) {
      const own = [...rows.values()].filter(({ at }) => at.member === member && monthOfDay(at.day) === month);
      return {
        member,
        month,
        rows: own.map(({ at: { day, place }, counts, nodeUs }) => ({
          day,
          place,
          ...counts,
          nodeMs: Math.round(nodeUs / 1_000),
        })),
        waits: [...waits]
          .map(([name, jobs]) => ({ name, day: name.split(" ")[1] ?? "", jobs }))
          .filter(({ name, day }) => name === `${member} ${day}` && monthOfDay(day) === month)
          .map(({ day, jobs }) => ({ day, jobs })),
      };
    },
  };

  return {
    reader,
    /** A job ended; `waitMs` null when no attempt ended it. */
    ended(
      at: UsedAt,
      how: TerminalState["state"],
      used: { promptTokens: number; outputTokens: number; chargedTokens: number; nodeUs: number },
      waitMs: number | null,
    ): void {
      const row = rowOf(at);
      row.counts[how] += 1;
      row.counts.promptTokens += used.promptTokens;
      row.counts.outputTokens += used.outputTokens;
      row.counts.chargedTokens += used.chargedTokens;
      row.nodeUs += used.nodeUs;
      if (waitMs === null) return;
      const name = `${at.member} ${at.day}`;
      const jobs = waits.get(name) ?? Array.from({ length: WAIT_EDGES_MS.length + 1 }, () => 0);
      const edge = WAIT_EDGES_MS.findIndex((edgeMs) => waitMs <= edgeMs);
      const bucket = edge === -1 ? WAIT_EDGES_MS.length : edge;
      jobs[bucket] = (jobs[bucket] ?? 0) + 1;
      waits.set(name, jobs);
    },
    /** An attempt was followed by another. */
    tried(at: UsedAt, nodeUs: number): void {
      rowOf(at).nodeUs += nodeUs;
    },
    refunded(at: UsedAt, tokens: number): void {
      rowOf(at).counts.chargedTokens -= tokens;
    },
    /** Charged in a member's month. */
    charged(member: MemberId, month: string): number {
      return [...rows.values()]
        .filter(({ at }) => at.member === member && monthOfDay(at.day) === month)
        .reduce((sum, { counts }) => sum + counts.chargedTokens, 0);
    },
  };
}

export type MemoryUsage = ReturnType<typeof createMemoryUsage>;
