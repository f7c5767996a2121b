import { memberListSchema, replayFleetSchema, replayJobListSchema } from "@coop/protocol";
import type { ReplayJob, ReplayOutcome, ReplayRequest, ReplayRun } from "@coop/protocol";
import { CliError } from "../cli-error.ts";
import type { CoopClient } from "../client.ts";
import { count, moment, plural, renderTable, seconds } from "../output.ts";
import type { CommandContext } from "./context.ts";

type AddedMachines = ReplayRequest["add"][number];

export interface WhatIf {
  readonly without: readonly string[];
  readonly add: readonly AddedMachines[];
  readonly days: number;
}

const DAY_MS = 86_400_000;
const PAGE_JOBS = 500;

/**
 * Tells what waits, tiers and budgets would have become if the co-op had had other machines.
 * @param replay the simulator
 * @throws CliError `bad-input` when there is nothing to replay, and those of `replay`
 */
export async function whatIf(
  { client, output, json }: CommandContext,
  { without, add, days }: WhatIf,
  nowMs: number,
  replay: (request: ReplayRequest) => Promise<ReplayOutcome>,
): Promise<void> {
  const fleet = await client.get("/admin/replay/machines", replayFleetSchema);
  if (fleet.machines.length === 0)
    throw new CliError("bad-input", "No machine has joined yet: there is no fleet to change.");
  output.note(`Reading the last ${plural(days, "day")} in sizes and times.`);
  const jobs = await pastJobs(client, nowMs - days * DAY_MS);
  if (jobs.length === 0)
    throw new CliError("bad-input", `No job ended in the last ${plural(days, "day")}: try a larger --days.`);
  output.note(
    `Simulating ${plural(jobs.length, "job")} twice; where machines would be crowded this takes minutes.`,
  );
  const outcome = await replay({ fleet, jobs: [...jobs], without: [...without], add: [...add] });
  if (json) output.json(outcome);
  else for (const line of whatIfLines(outcome, without, add)) output.line(line);
}

async function pastJobs(client: CoopClient, sinceMs: number): Promise<readonly ReplayJob[]> {
  const members = await client.get("/admin/members", memberListSchema);
  const jobs: ReplayJob[] = [];
  for (const { id } of members.data) {
    let cursor: string | null = null;
    do {
      const query = new URLSearchParams({
        member: id,
        sinceMs: String(sinceMs),
        limit: String(PAGE_JOBS),
        ...(cursor !== null && { cursor }),
      });
      const page: { readonly data: readonly ReplayJob[]; readonly nextCursor: string | null } =
        await client.get(`/admin/replay/jobs?${query.toString()}`, replayJobListSchema);
      jobs.push(...page.data);
      cursor = page.nextCursor;
    } while (cursor !== null);
  }
  return jobs;
}

/** The outcome for people: as it is beside as it would be. */
export function whatIfLines(
  outcome: ReplayOutcome,
  without: readonly string[],
  add: readonly AddedMachines[],
): string[] {
  const { before, after, jobs, leftOut, fromMs, untilMs, measuredLatencyS } = outcome;
  const aside = leftOut > 0 ? ` ${plural(leftOut, "job")} that failed or were cancelled are left out.` : "";
  const measured =
    measuredLatencyS === null ? "" : ` As it really was, a job took ${seconds(measuredLatencyS)} on average.`;
  return [
    `${plural(jobs, "job")} from ${moment(fromMs)} to ${moment(untilMs)}, ${changeInWords(without, add)}.`,
    `Both sides are simulated.${measured}${aside}`,
    "",
    ...waitTable(before, after),
    "",
    ...tierTable(before, after),
    "",
    ...nodeTable(before, after),
  ];
}

function changeInWords(without: readonly string[], add: readonly AddedMachines[]): string {
  const changes = [
    ...(without.length > 0 ? [`without ${without.join(", ")}`] : []),
    ...(add.length > 0
      ? [`with ${add.map((more) => `${more.count} x ${more.profile}`).join(", ")} more`]
      : []),
  ];
  return changes.join(" and ");
}

type TierOutcome = ReplayRun["tiers"][number];
type NodeOutcome = ReplayRun["nodes"][number];

/** Two cells, as it is and as it would be. */
const both = <T>(now: T | undefined, then: T | undefined, text: (value: T) => string): [string, string] => [
  now === undefined ? "-" : text(now),
  then === undefined ? "-" : text(then),
];

const right = (heading: string) => ({ heading, align: "right" }) as const;
const secondsOr = (value: number | null): string => (value === null ? "-" : seconds(value));
const percent = (share: number): string => `${(share * 100).toFixed(share < 0.1 ? 1 : 0)} %`;

function waitTable(before: ReplayRun, after: ReplayRun): string[] {
  const rows = after.tiers.map((then) => {
    const now = before.tiers.find(({ tier }) => tier === then.tier);
    return [
      then.tier,
      count(then.jobs),
      ...both(now, then, ({ meanWaitS }) => secondsOr(meanWaitS)),
      ...both(now, then, ({ p95WaitS }) => secondsOr(p95WaitS)),
      ...both(now, then, ({ meanLatencyS }) => secondsOr(meanLatencyS)),
      ...both(now, then, ({ beyond, unserved }) => count(beyond + unserved)),
    ];
  });
  return renderTable(
    [
      { heading: "ASKED FOR" },
      right("JOBS"),
      right("WAIT"),
      right("THEN"),
      right("95 %"),
      right("THEN"),
      right("TOOK"),
      right("THEN"),
      right("NOT SERVED"),
      right("THEN"),
    ],
    rows,
  );
}

function tierTable(before: ReplayRun, after: ReplayRun): string[] {
  const rows = after.tiers.map((then) => {
    const now = before.tiers.find(({ tier }) => tier === then.tier);
    return [then.tier, ...both(now, then, servedInWords)];
  });
  return renderTable([{ heading: "ASKED FOR" }, { heading: "SERVED BY" }, { heading: "THEN" }], rows);
}

function servedInWords({ servedBy }: TierOutcome): string {
  const entries = Object.entries(servedBy);
  const all = entries.reduce((sum, [, jobs]) => sum + jobs, 0);
  if (all === 0) return "nothing";
  return entries.map(([tier, jobs]) => `${tier} ${percent(jobs / all)}`).join(", ");
}

function nodeTable(before: ReplayRun, after: ReplayRun): string[] {
  const names = [...new Set([...before.nodes, ...after.nodes].map(({ name }) => name))];
  const hasBudgets = [...before.nodes, ...after.nodes].some(({ spentShare }) => spentShare !== null);
  const find = (run: ReplayRun, name: string): NodeOutcome | undefined =>
    run.nodes.find((node) => node.name === name);
  const rows = names.map((name) => {
    const now = find(before, name);
    const then = find(after, name);
    return [
      name,
      ...both(now, then, ({ jobs }) => count(jobs)),
      ...both(now, then, ({ busyShare }) => percent(busyShare)),
      ...both(now, then, ({ usedTokens }) => count(usedTokens)),
      ...(hasBudgets
        ? both(now, then, ({ spentShare }) => (spentShare === null ? "none" : percent(spentShare)))
        : []),
    ];
  });
  return renderTable(
    [
      { heading: "NODE", flexible: true },
      right("JOBS"),
      right("THEN"),
      right("BUSY"),
      right("THEN"),
      right("TOKENS"),
      right("THEN"),
      ...(hasBudgets ? [right("BUDGET"), right("THEN")] : []),
    ],
    rows,
  );
}
