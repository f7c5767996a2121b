import { tierSchema } from "@coop/protocol";
import { costedOptions } from "../commands/explain.ts";
import { bar, count, GIB, renderTable, seconds } from "../output.ts";
import type { Column } from "../output.ts";
import { quantile, tookS, waitS } from "./record.ts";
import type { DemoRecords, JobRecord } from "./record.ts";
import { MEMBERS } from "./workload.ts";
import type { Phase } from "./workload.ts";

const PHASES: readonly Phase[] = ["mixed", "burst"];
const right = (heading: string): Column => ({ heading, align: "right" });

/** Each mixed job: where it went and why. */
export function placementTable({ jobs }: DemoRecords): string[] {
  const rows = jobs
    .filter(({ phase }) => phase === "mixed")
    .map((record) => [
      record.task,
      record.member,
      record.job.privacy === "own" ? `${shortTier(record)}, own` : shortTier(record),
      record.job.nodeName ?? record.job.state,
      record.job.model ?? "",
      secondsOrDash(waitS(record)),
      count(tokensOf(record)),
      ...whyThere(record),
    ]);
  return renderTable(
    [
      { heading: "TASK" },
      { heading: "MEMBER" },
      { heading: "ASKED FOR" },
      { heading: "NODE" },
      { heading: "MODEL", flexible: true },
      right("WAIT"),
      right("TOKENS"),
      right("COST"),
      { heading: "ELSEWHERE" },
    ],
    rows,
  );
}

const tierOf = ({ job }: JobRecord): string => job.requested.replace(/^coop\//, "");
const shortTier = (record: JobRecord): string => tierOf(record).replace(/^local-/, "");
const tokensOf = ({ job }: JobRecord): number => (job.promptTokens ?? 0) + job.outputTokens;
const secondsOrDash = (value: number | null): string => (value === null ? "-" : seconds(value));

/** The chosen option's cost beside the best on another node. */
function whyThere({ placement }: JobRecord): readonly [cost: string, elsewhere: string] {
  if (placement === null || placement.decision.kind !== "assigned") return ["-", "never placed"];
  const { nodeName, model } = placement.decision;
  const options = costedOptions(placement);
  const chosen = options.find((option) => option.nodeName === nodeName && option.model === model);
  const other = options.find((option) => option.nodeName !== nodeName);
  const cost = secondsOrDash(chosen?.cost.totalS ?? null);
  return [cost, other === undefined ? "no other can" : `${other.nodeName} ${seconds(other.cost.totalS)}`];
}

/** What each node did. */
export function nodeTable({ jobs, nodes }: DemoRecords): string[] {
  const byName = nodes.toSorted((a, b) => b.slots - a.slots || a.name.localeCompare(b.name));
  const rows = byName.map(({ name, ownerName, machine, slots }) => {
    const here = jobs.filter(({ job }) => job.nodeName === name);
    const ofPhase = (phase: Phase): string => count(here.filter((record) => record.phase === phase).length);
    const ofTier = (tier: string): string => count(here.filter((record) => tierOf(record) === tier).length);
    return [
      name,
      `${machine.chip}, ${Math.round(machine.memoryBytes / GIB)} GiB`,
      ownerName,
      count(slots),
      ...PHASES.map(ofPhase),
      ...tierSchema.options.slice(0, 3).map(ofTier),
      count(here.reduce((sum, { job }) => sum + job.outputTokens, 0)),
    ];
  });
  return renderTable(
    [
      { heading: "NODE" },
      { heading: "MACHINE (simulated)", flexible: true },
      { heading: "OWNER" },
      right("SLOTS"),
      right("MIXED"),
      right("BURST"),
      right("edge"),
      right("small"),
      right("large"),
      right("TOKENS OUT"),
    ],
    rows,
  );
}

/** How long jobs waited and took, by what they asked for. */
export function waitTable({ jobs }: DemoRecords): string[] {
  const rows = PHASES.flatMap((phase) =>
    tierSchema.options.flatMap((tier) => {
      const group = jobs.filter((record) => record.phase === phase && tierOf(record) === tier);
      if (group.length === 0) return [];
      const waits = group.flatMap((record) => waitS(record) ?? []);
      const times = group.flatMap((record) => tookS(record) ?? []);
      return [
        [
          phase,
          tier,
          count(group.length),
          ...[0.5, 0.95, 1].map((q) => seconds(quantile(waits, q))),
          ...[0.5, 0.95, 1].map((q) => seconds(quantile(times, q))),
        ],
      ];
    }),
  );
  return renderTable(
    [
      { heading: "JOBS" },
      { heading: "ASKED FOR" },
      right("COUNT"),
      right("WAIT p50"),
      right("p95"),
      right("most"),
      right("DONE IN p50"),
      right("p95"),
      right("most"),
    ],
    rows,
  );
}

/** What each member used. */
export function memberTable({ jobs, months }: DemoRecords): string[] {
  const rows = MEMBERS.map((member) => {
    const own = jobs.filter((record) => record.member === member);
    const sum = (of: (record: JobRecord) => number): string =>
      count(own.reduce((total, record) => total + of(record), 0));
    return [
      member,
      count(own.length),
      sum(({ job }) => job.promptTokens ?? 0),
      sum(({ job }) => job.outputTokens),
      sum(({ job }) => job.chargedTokens),
      count(months.find((month) => month.member === member)?.usedTokens ?? 0),
      seconds(
        quantile(
          own.flatMap((record) => waitS(record) ?? []),
          0.5,
        ),
      ),
    ];
  });
  return renderTable(
    [
      { heading: "MEMBER" },
      right("JOBS"),
      right("PROMPT TOKENS"),
      right("OUTPUT TOKENS"),
      right("CHARGED"),
      right("THIS MONTH"),
      right("WAIT p50"),
    ],
    rows,
  );
}

/** What each member may use of the month, and used. */
export function quotaTable({ months }: DemoRecords): string[] {
  const rows = months.map(({ member, limitTokens, creditTokens, usedTokens, heldTokens, leftTokens }) => [
    member,
    limitTokens === null ? "no limit" : count(limitTokens),
    count(creditTokens),
    count(usedTokens),
    count(heldTokens),
    leftTokens === null ? "no limit" : count(leftTokens),
    limitTokens === null ? "" : bar(usedTokens, heldTokens, limitTokens),
  ]);
  return renderTable(
    [
      { heading: "MEMBER" },
      right("LIMIT"),
      right("OF IT CREDIT"),
      right("USED"),
      right("HELD"),
      right("LEFT"),
      { heading: "" },
    ],
    rows,
  );
}
