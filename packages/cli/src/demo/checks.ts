import { tierSchema } from "@coop/protocol";
import { plural, seconds } from "../output.ts";
import { bookDifferences } from "./books.ts";
import { fullS } from "./record.ts";
import type { DemoRecords, JobRecord } from "./record.ts";
import { MEMBERS } from "./workload.ts";

/** One promise of the demo, and what breaks it; nothing when it holds. */
export interface Check {
  readonly promise: string;
  readonly violations: readonly string[];
}

/** @param small the node that only serves `edge` */
export function checkPromises(records: DemoRecords, small: string): Check[] {
  const { jobs, nodes } = records;
  const ownerOf = new Map(nodes.map(({ id, ownerName }) => [id, ownerName]));
  const slots = nodes.find(({ name }) => name === small)?.slots ?? 0;
  const burstOnSmall = jobs.filter(({ phase, job }) => phase === "burst" && job.nodeName === small);
  const burstFullS = fullS(burstOnSmall, slots);
  return [
    {
      promise: "every job succeeded",
      violations: jobs
        .filter(({ job }) => job.state !== "succeeded")
        .map((record) => `${name(record)}: ${record.job.state} ${record.job.error?.message ?? ""}`),
    },
    {
      promise: `nothing above edge ran on ${small}`,
      violations: jobs
        .filter(
          ({ job }) => job.nodeName === small && (rank(job.tier) > 0 || rank(askedTier(job.requested)) > 0),
        )
        .map(
          (record) =>
            `${name(record)} asked for ${record.job.requested} and ran on ${record.job.model ?? "?"}`,
        ),
    },
    {
      promise: "no job ran below the tier it asked for",
      violations: jobs
        .filter(({ job }) => rank(job.tier) < rank(askedTier(job.requested)))
        .map(
          (record) =>
            `${name(record)} asked for ${record.job.requested} and got ${record.job.tier ?? "nothing"}`,
        ),
    },
    {
      promise: "private jobs ran on their member's own machine",
      violations: jobs
        .filter(({ job, member }) => job.privacy === "own" && ownerOf.get(job.node ?? "") !== member)
        .map((record) => `${name(record)} ran on ${record.job.nodeName ?? "?"}`),
    },
    {
      promise: `the burst filled ${small}, for ${seconds(burstFullS)} with ${plural(burstOnSmall.length, "job")}`,
      violations: burstFullS > 0 ? [] : [`no moment with all of its slots (${slots}) taken`],
    },
    { promise: "the books agree with the jobs, and nothing is held", violations: bookViolations(records) },
    {
      promise: "statements, usage, ledger and the engines' own counts are equal, to the token",
      violations: bookDifferences(records.books),
    },
  ];
}

function bookViolations({ jobs, months }: DemoRecords): string[] {
  return MEMBERS.flatMap((member) => {
    const month = months.find((candidate) => candidate.member === member);
    const charged = jobs
      .filter((record) => record.member === member)
      .reduce((sum, { job }) => sum + job.chargedTokens, 0);
    if (month === undefined) return [`${member} has no month`];
    const { usedTokens, heldTokens } = month;
    return usedTokens === charged && heldTokens === 0
      ? []
      : [`${member}: jobs ${charged}, month ${usedTokens}, still held ${heldTokens} tokens`];
  });
}

const name = ({ job, task, member }: JobRecord): string => `${job.id} (${task}, ${member})`;

/** `local-small` of `coop/local-small`; null for a model's name. */
const askedTier = (requested: string): string | null => /^coop\/(.+)$/.exec(requested)?.[1] ?? null;

/** Lowest first; no tier is below all. */
function rank(tier: string | null): number {
  const known = tierSchema.safeParse(tier);
  return known.success ? tierSchema.options.indexOf(known.data) : -1;
}
