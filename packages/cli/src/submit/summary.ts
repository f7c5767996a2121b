import { count, plural, renderTable } from "../output.ts";
import type { LineEnd } from "./journal.ts";

/** Where the lines of a run were served, for people and for programs. Pure: no I/O. */

/** The lines that one model on one node served. */
export interface Share {
  /** Null: never placed. */
  readonly node: string | null;
  readonly model: string | null;
  readonly tier: string | null;
  readonly lines: number;
  readonly failed: number;
  readonly promptTokens: number;
  readonly outputTokens: number;
}

export interface Summary {
  readonly lines: number;
  readonly succeeded: number;
  readonly failed: number;
  readonly where: readonly Share[];
  /** How many failed for each reason, by its code. */
  readonly failures: Readonly<Record<string, number>>;
}

export function summarize(ends: readonly LineEnd[]): Summary {
  const shares = new Map<string, Share>();
  const failures: Record<string, number> = {};
  for (const { node, model, tier, failure, promptTokens, outputTokens } of ends) {
    const key = JSON.stringify([node, model]);
    const share = shares.get(key);
    shares.set(key, {
      node,
      model,
      tier,
      lines: (share?.lines ?? 0) + 1,
      failed: (share?.failed ?? 0) + (failure === null ? 0 : 1),
      promptTokens: (share?.promptTokens ?? 0) + promptTokens,
      outputTokens: (share?.outputTokens ?? 0) + outputTokens,
    });
    if (failure !== null) failures[failure] = (failures[failure] ?? 0) + 1;
  }
  const failed = ends.filter(({ failure }) => failure !== null).length;
  return {
    lines: ends.length,
    succeeded: ends.length - failed,
    failed,
    where: [...shares.values()].toSorted((a, b) => b.lines - a.lines),
    failures,
  };
}

export function summaryTable({ where }: Summary): string[] {
  const right = (heading: string) => ({ heading, align: "right" as const });
  return renderTable(
    [
      { heading: "NODE", flexible: true },
      { heading: "MODEL", flexible: true },
      { heading: "TIER" },
      right("LINES"),
      right("FAILED"),
      right("PROMPT TOKENS"),
      right("OUTPUT TOKENS"),
    ],
    where.map(({ node, model, tier, lines, failed, promptTokens, outputTokens }) => [
      node ?? "(never placed)",
      model ?? "",
      tier ?? "",
      count(lines),
      count(failed),
      count(promptTokens),
      count(outputTokens),
    ]),
  );
}

/** `3 of 200 lines failed: context_length_exceeded 2, expired 1.` */
export function failureSentence({ lines, failed, failures }: Summary): string {
  const reasons = Object.entries(failures)
    .toSorted(([, a], [, b]) => b - a)
    .map(([code, times]) => `${code} ${count(times)}`);
  return `${count(failed)} of ${plural(lines, "line")} failed: ${reasons.join(", ")}.`;
}
