import { count, plural, seconds } from "../output.ts";
import { quantile } from "./record.ts";
import type { DemoRecords, HeldSight, JobRecord } from "./record.ts";

/** Examples of one kind that are told. */
const MOST_EXAMPLES = 2;

/** Why a node had little or nothing to do during the mixed jobs: sentences made from the placements alone. */
export function explainIdle({ jobs, held }: DemoRecords, node: string): string[] {
  const mixed = jobs.filter(({ phase }) => phase === "mixed");
  const taken = mixed.filter(({ job }) => job.nodeName === node).length;
  const lines = [
    `${node} got ${taken === 0 ? "none" : count(taken)} of the ${plural(mixed.length, "mixed job")}:`,
    ...refusalLines(mixed, node),
    ...dearerLines(mixed, node),
    ...held.flatMap((sight) => heldLine(sight, node)).slice(0, MOST_EXAMPLES),
  ];
  return lines;
}

const verdictOn = ({ placement }: Pick<JobRecord, "placement">, node: string) =>
  placement?.nodes.find(({ nodeName }) => nodeName === node);

/** How many jobs it could not take, by reason. A job counts where all of the node's models were refused. */
function refusalLines(jobs: readonly JobRecord[], node: string): string[] {
  const byReason = new Map<string, { count: number; example: string }>();
  for (const record of jobs) {
    const options = verdictOn(record, node)?.options ?? [];
    const refusals = options.flatMap((option) => (option.kind === "refused" ? option.refusals : []));
    const first = refusals[0];
    if (first === undefined || options.some(({ kind }) => kind === "costed")) continue;
    const known = byReason.get(first.reason);
    byReason.set(first.reason, { count: (known?.count ?? 0) + 1, example: known?.example ?? first.detail });
  }
  return [...byReason].map(
    ([reason, { count, example }]) => `  ${plural(count, "job")} refused, ${reason}: ${example}`,
  );
}

/** How many jobs it could have taken at a higher cost, and how much higher. */
function dearerLines(jobs: readonly JobRecord[], node: string): string[] {
  const ratios: number[] = [];
  let example: string | null = null;
  for (const record of jobs) {
    const there = cheapestOn(record, node);
    const chosen = record.job.nodeName === null ? null : cheapestOn(record, record.job.nodeName);
    if (there === null || chosen === null || record.job.nodeName === node || chosen >= there) continue;
    ratios.push(there / chosen);
    example ??= `"${record.task}" for ${record.member} would have cost ${seconds(there)} there, ${seconds(chosen)} on ${record.job.nodeName ?? "?"}`;
  }
  if (example === null) return [];
  const median = quantile(ratios, 0.5);
  return [
    `  ${plural(ratios.length, "job")} better off elsewhere, typically at ${percent(1 / median)} of the cost: ${example}`,
  ];
}

const percent = (share: number): string => `${Math.max(1, Math.round(share * 100))} %`;

function cheapestOn(record: Pick<JobRecord, "placement">, node: string): number | null {
  const costs = (verdictOn(record, node)?.options ?? []).flatMap((option) =>
    option.kind === "costed" ? [option.cost.totalS] : [],
  );
  return costs.length === 0 ? null : Math.min(...costs);
}

/** A job that waited for a better node while this one could have started it. */
function heldLine({ job, task, placement }: HeldSight, node: string): string[] {
  const { decision } = placement;
  if (decision.kind !== "held") return [];
  const options = verdictOn({ placement }, node)?.options ?? [];
  const now = options.flatMap((option) =>
    option.kind === "costed" && option.startsNow ? [option.cost.totalS] : [],
  );
  const instead = cheapestOn({ placement }, decision.forNodeName);
  if (now.length === 0 || instead === null) return [];
  return [
    `  left idle though "${task}" waited (${job}): held for ${decision.forNodeName}, ` +
      `${seconds(instead)} there with the wait, ${seconds(Math.min(...now))} here at once`,
  ];
}
