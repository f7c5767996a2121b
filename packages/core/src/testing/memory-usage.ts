import { monthOfDay } from "../calendar.ts";
import type { TerminalState } from "../job/job.ts";
import type { UsageReader, UsageRow } from "../ports/usage.ts";
import { WAIT_EDGES_MS } from "../ports/usage.ts";
import type { MemberId } from "../terms.ts";
import { sumsOfRows } from "./usage-sums.ts";

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

  const rowsOf = (member: MemberId, month: string): readonly UsageRow[] =>
    [...rows.values()]
      .filter(({ at }) => at.member === member && monthOfDay(at.day) === month)
      .map(({ at: { day, place }, counts, nodeUs }) => ({
        day,
        place,
        ...counts,
        nodeMs: Math.round(nodeUs / 1_000),
      }));

  const reader: UsageReader = {
    month: async (member, month) => ({ member, month, rows: rowsOf(member, month) }),
    sums: async (members, month) =>
      members.map((member) => ({
        member,
        month,
        ...sumsOfRows(rowsOf(member, month)),
        waits: waits.get(`${member} ${month}`) ?? noWaits(),
      })),
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
      const name = `${at.member} ${monthOfDay(at.day)}`;
      const jobs = waits.get(name) ?? noWaits();
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

const noWaits = (): number[] => Array.from({ length: WAIT_EDGES_MS.length + 1 }, () => 0);

export type MemoryUsage = ReturnType<typeof createMemoryUsage>;
