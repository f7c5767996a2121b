import type { BudgetSpan } from "@coop/protocol";
import { autoTokensPerDay, limitTokens } from "../owner/auto-budget.ts";
import type { OwnerBudget } from "../owner/auto-budget.ts";
import { servingSecondsPerDay } from "../owner/serving-hours.ts";
import { changeSettings, readSettings } from "../owner/settings-file.ts";
import type { SettingsChange } from "../owner/settings-yaml.ts";
import { readBudgetLimit, readBudgetShare } from "../owner/settings.ts";
import type { OwnerSettings } from "../owner/settings.ts";
import type { AgentStatus } from "../status.ts";
import { rate, table, tokens } from "./format.ts";
import { localTime } from "./local-time.ts";
import { agentHere, understood } from "./owner.ts";
import type { OwnerCommandDeps } from "./owner.ts";

export interface BudgetFlags {
  readonly day?: string;
  readonly month?: string;
  readonly share?: string;
  readonly json?: boolean;
}

const HEADINGS = ["", "LIMIT", "USED", "HELD", "LEFT", "BEGINS ANEW"] as const;
const NUMBERS: ReadonlySet<string> = new Set(["LIMIT", "USED", "HELD", "LEFT"]);

/** A day or a month: what the owner set for it, and what the co-op counted. */
interface Span {
  readonly name: "day" | "month";
  /** `none`, `auto` or the number. */
  readonly setting: string;
  readonly limitTokens: number | null;
  /** Null when nothing was heard of it yet. */
  readonly usedTokens: number | null;
  readonly heldTokens: number | null;
  readonly endsMs: number | null;
}

/**
 * Sets the token budget where asked to, then tells limit, use and what is left.
 * @throws OperationalError `bad-setting` that names the option or the file's line; nothing is changed then
 */
export async function budget(deps: OwnerCommandDeps, flags: BudgetFlags): Promise<void> {
  const { home, say } = deps;
  const changes = changesOf(flags);
  const { owner } = changes.length > 0 ? await changeSettings(home, changes) : await readSettings(home);
  const status = await agentHere(deps);
  const spans = [spanOf("day", owner, status, deps.nowMs), spanOf("month", owner, status, deps.nowMs)];
  if (flags.json === true) return say(JSON.stringify({ share: owner.budget.share, spans }, null, 2));
  for (const line of table(
    HEADINGS,
    spans.map((span) => rowOf(span, deps.nowMs)),
    NUMBERS,
  ))
    say(line);
  for (const line of remarks(owner, status, spans, deps.nowMs)) say(line);
}

function changesOf({ day, month, share }: BudgetFlags): SettingsChange[] {
  const changes: SettingsChange[] = [];
  if (day !== undefined) {
    understood("--day", readBudgetLimit(day));
    changes.push({ path: ["budget", "day"], value: day });
  }
  if (month !== undefined) {
    understood("--month", readBudgetLimit(month));
    changes.push({ path: ["budget", "month"], value: month });
  }
  if (share !== undefined) {
    understood("--share", readBudgetShare(share));
    changes.push({ path: ["budget", "share"], value: share });
  }
  return changes;
}

function spanOf(
  name: Span["name"],
  { budget, hours }: OwnerSettings,
  status: AgentStatus | null,
  nowMs: number,
): Span {
  const limit = budget[name];
  const said: BudgetSpan | null = status?.budget?.[name] ?? null;
  // What was said of a day that is over says nothing of this one.
  const counted = said !== null && said.endsMs > nowMs ? said : null;
  const auto = autoTokensPerDay(
    status?.throughput ?? { value: 0, basis: "prior" },
    servingSecondsPerDay(hours),
    budget.share,
  );
  const isKnown = limit.kind !== "auto" || status !== null;
  return {
    name,
    setting: limit.kind === "tokens" ? String(limit.tokens) : limit.kind,
    limitTokens: isKnown ? limitTokens(limit, name, auto) : null,
    usedTokens: counted?.usedTokens ?? null,
    heldTokens: counted?.heldTokens ?? null,
    endsMs: counted?.endsMs ?? null,
  };
}

function rowOf(span: Span, nowMs: number): readonly string[] {
  const { limitTokens: limit, usedTokens: used, heldTokens: held, endsMs } = span;
  const left = limit === null || used === null || held === null ? null : Math.max(0, limit - used - held);
  const isAuto = span.setting === "auto";
  return [
    span.name === "day" ? "today" : "this month",
    limit === null ? span.setting : `${isAuto ? "auto: " : ""}${tokens(limit)}`,
    used === null ? "?" : tokens(used),
    held === null ? "?" : tokens(held),
    left === null ? (span.setting === "none" ? "no limit" : "?") : tokens(left),
    endsMs === null ? "?" : localTime(endsMs, nowMs),
  ];
}

function remarks(
  { budget, hours }: OwnerSettings,
  status: AgentStatus | null,
  spans: readonly Span[],
  nowMs: number,
): string[] {
  const said: string[] = [];
  for (const { name, limitTokens: limit, usedTokens: used, heldTokens: held, endsMs } of spans) {
    if (limit === null || used === null || held === null || endsMs === null || used + held <= limit) continue;
    const spent = `${tokens(used + held)} are used or held already`;
    said.push(
      `The budget of this ${name}, ${tokens(limit)}, is spent: ${spent}. Nothing new is served before ${localTime(endsMs, nowMs)}.`,
    );
  }
  if (isAuto(budget)) said.push(autoInWords(budget, servingSecondsPerDay(hours), status));
  if (status === null) said.push("No agent runs here, so what is used is not known.");
  else if (status.budget === null) said.push("The co-op has not said yet what is used.");
  return said;
}

const isAuto = ({ day, month }: OwnerBudget): boolean => day.kind === "auto" || month.kind === "auto";

function autoInWords({ share }: OwnerBudget, servingSeconds: number, status: AgentStatus | null): string {
  const hours = `${rate(servingSeconds / 3600)} h a day`;
  if (status === null)
    return `auto: what the machine makes in ${hours}, times ${share}; a running agent knows it.`;
  const { value, basis } = status.throughput;
  const figure = basis === "measured" ? "measured" : "estimated; `agent bench` measures it";
  return `auto: ${rate(value)} tokens/s (${figure}) in ${hours}, times ${share}.`;
}
