import { jobsOf } from "@coop/core";
import type { Amount, MemberLine, QuotaFigures, Statement, UsageCounts } from "@coop/core";
import {
  amountText,
  count,
  duration,
  energy,
  isUnknown,
  money,
  NONE,
  percent,
  plural,
  price,
  waitText,
} from "./figures.ts";

/** A table of a statement, for whatever it is rendered as. */
export interface StatementTable {
  readonly title: string;
  readonly columns: readonly { readonly heading: string; readonly numeric: boolean }[];
  /** The first cell names the row. */
  readonly rows: readonly (readonly string[])[];
}

const text = (heading: string) => ({ heading, numeric: false });
const figure = (heading: string) => ({ heading, numeric: true });

const NO_NODE = "without a node";

const countsOf = (counts: UsageCounts): readonly string[] => [
  count(jobsOf(counts)),
  count(counts.promptTokens),
  count(counts.outputTokens),
  count(counts.chargedTokens),
  duration(counts.nodeMs),
];
const COUNTS = [
  figure("Jobs"),
  figure("Tokens in"),
  figure("Tokens out"),
  figure("Charged"),
  figure("Node time"),
];

const simulatedName = ({ name, simulated }: { readonly name: string; readonly simulated: boolean }): string =>
  simulated ? `${name} (simulated)` : name;

export function jobsTable({ usage, waits }: Statement): StatementTable {
  const { succeeded, failed, cancelled, expired } = usage;
  const ended = jobsOf(usage);
  return {
    title: "Jobs",
    columns: [text("Figure"), figure("Value")],
    rows: [
      ["Jobs", count(ended)],
      ["Succeeded", ended === 0 ? NONE : `${count(succeeded)} (${percent(succeeded / ended)})`],
      ["Failed, cancelled, expired", [failed, cancelled, expired].map(count).join(", ")],
      ["Tokens in, out", `${count(usage.promptTokens)}, ${count(usage.outputTokens)}`],
      ["Tokens charged", count(usage.chargedTokens)],
      ["Time of nodes", duration(usage.nodeMs)],
      ["Half of the jobs waited at most", waitText(waits.p50)],
      ["95 of 100 waited at most", waitText(waits.p95)],
    ],
  };
}

export const quotaTable = (quota: QuotaFigures): StatementTable => ({
  title: "Quota",
  columns: [text("Tokens of the month"), figure("Tokens")],
  rows: [
    ["Limit before credit", limitText(quota.floorTokens)],
    ["Credit earned or granted", count(quota.creditTokens)],
    ["Limit", limitText(quota.limitTokens)],
    ["Used", count(quota.usedTokens)],
    ["Held by jobs that run or wait", count(quota.heldTokens)],
  ],
});

export const limitText = (tokens: number | null): string => (tokens === null ? "no limit" : count(tokens));

export const tiersTable = ({ tiers }: Statement): StatementTable => ({
  title: "By tier",
  columns: [text("Tier"), ...COUNTS],
  rows: tiers.map((group) => [group.key ?? NO_NODE, ...countsOf(group)]),
});

export const modelsTable = ({ models }: Statement): StatementTable => ({
  title: "By model",
  columns: [text("Model"), ...COUNTS],
  rows: models.map((group) => [group.key ?? NO_NODE, ...countsOf(group)]),
});

export const nodesTable = ({ nodes, currency }: Statement): StatementTable => ({
  title: "By node",
  columns: [text("Node"), ...COUNTS, figure("Energy"), figure(`Electricity, ${currency}`)],
  rows: nodes.map((node) => [
    node.name === null ? NO_NODE : simulatedName({ ...node, name: node.name }),
    ...countsOf(node),
    energy(node.energyKwh),
    node.energyCost === null ? "price missing" : money(node.energyCost),
  ]),
});

export const daysTable = ({ days }: Statement): StatementTable => ({
  title: "Day by day",
  columns: [text("Day"), ...COUNTS],
  rows: days.map((group) => [group.key ?? "", ...countsOf(group)]),
});

export function costsTable({ costs, currency, subject }: Statement): StatementTable {
  const { fixed } = costs;
  const share = subject.kind === "member" ? `, shared by ${plural(fixed.sharedBy, "member")}` : "";
  return {
    title: "Cost",
    columns: [text("What"), figure("Amount")],
    rows: [
      [`Electricity for these jobs, ${energy(costs.energyKwh)}`, amountText(costs.energy, currency)],
      [`Hardware${share}`, amountText(fixed.hardware, currency)],
      [`Electricity of waiting machines${share}`, amountText(fixed.idleElectricity, currency)],
      [`Other${share}`, price(fixed.other, currency)],
      ["Total", amountText(costs.total, currency)],
    ],
  };
}

export const cloudTable = ({ costs, currency }: Statement): StatementTable => ({
  title: "The same tokens elsewhere",
  columns: [
    text("Where"),
    figure("A million in"),
    figure("A million out"),
    figure(`These tokens, ${currency}`),
  ],
  rows: [
    ["This co-op", NONE, NONE, atLeast(costs.total)],
    ...costs.cloud.map(({ name, inputPerMillion, outputPerMillion, cost }) => [
      name,
      money(inputPerMillion),
      money(outputPerMillion),
      money(cost),
    ]),
  ],
});

export const fleetTable = ({ fleet, currency }: Statement): StatementTable => ({
  title: "Nodes of the co-op",
  columns: [
    text("Node"),
    text("Owner"),
    figure("Could serve"),
    figure("Was busy"),
    figure("Utilisation"),
    figure(`Hardware, ${currency}`),
    figure(`Waiting, ${currency}`),
    figure(`Working, ${currency}`),
  ],
  rows: fleet.nodes.map((node) => [
    simulatedName(node),
    node.ownerName,
    duration(node.servingMs),
    duration(node.busyMs),
    percent(node.utilisation),
    ...[node.hardwareCost, node.idleCost, node.busyCost].map((cost) =>
      cost === null ? "price missing" : money(cost),
    ),
  ]),
});

export const membersTable = ({ members }: Statement): StatementTable => ({
  title: "What members used",
  columns: [text("Member"), ...COUNTS, figure("Succeeded"), figure("Waits p50"), figure("p95")],
  rows: members.map((line) => [
    line.name,
    ...countsOf(line),
    jobsOf(line) === 0 ? NONE : percent(line.succeeded / jobsOf(line)),
    line.waits.p50 === null ? NONE : duration(line.waits.p50.ms),
    line.waits.p95 === null ? NONE : duration(line.waits.p95.ms),
  ]),
});

export const sharesTable = ({ members, currency }: Statement): StatementTable => ({
  title: "Members' quotas and shares",
  columns: [
    text("Member"),
    figure("Limit"),
    figure("Quota used"),
    figure("Credit"),
    figure(`Electricity, ${currency}`),
    figure(`Fixed share, ${currency}`),
    figure(`Total, ${currency}`),
  ],
  rows: members.map((line) => [
    line.name,
    limitText(line.quota.limitTokens),
    quotaShare(line),
    count(line.quota.creditTokens),
    atLeast(line.energy),
    atLeast(line.fixedShare),
    atLeast(line.total),
  ]),
});

/** For cells, where the nodes that are left out are named elsewhere. */
function atLeast(amount: Amount): string {
  if (isUnknown(amount)) return "price missing";
  return amount.without.length === 0 ? money(amount.amount) : `at least ${money(amount.amount)}`;
}

const quotaShare = ({ quota: { usedTokens, limitTokens } }: MemberLine): string =>
  limitTokens === null || limitTokens === 0 ? NONE : percent(usedTokens / limitTokens);

/** Below this an owned machine costs more for each token than its price promises. */
const WELL_USED = 0.7;

/** What a token cost, beside how much the fleet was used: the one says little without the other. */
export function utilisationText({ fleet, costs, currency, subject }: Statement): string {
  const used =
    fleet.utilisation === null
      ? "No node could serve in this month"
      : `Nodes worked ${percent(fleet.utilisation)} of the time in which they could serve (${duration(fleet.busyMs)} of ${duration(fleet.servingMs)})`;
  const perMillion =
    fleet.perMillionTokens === null
      ? "no token was made"
      : `a million tokens cost the co-op ${amountText(fleet.perMillionTokens, currency)}`;
  const own =
    subject.kind === "member" && costs.perMillionTokens !== null
      ? `, ${amountText(costs.perMillionTokens, currency)} by this statement`
      : "";
  const advice =
    fleet.utilisation !== null && fleet.utilisation < WELL_USED
      ? ` Below about ${percent(WELL_USED)}, what the machines cost while they wait makes each token dear: more use makes it cheaper.`
      : "";
  return `${used}; ${perMillion}${own}.${advice}`;
}

/** How the figures come about. */
export const notesOf = ({ complete, costs, subject }: Statement): readonly string[] => [
  "Jobs count on the day on which they were asked for, in the co-op's time zone. Tokens in and out are what engines counted for the attempts that ended the jobs; charged is what members were charged, less what was given back.",
  "Node time is shared between jobs that ran together on a node, so all jobs together have as much as the node was busy.",
  "Waits run from the request to the node's being found. They are read from a histogram: in brackets between what the true value lies.",
  "Electricity is the machine's watts under load times node time. Hardware is its price over the months of coop.yaml, for the part of this month in which it belonged to the co-op. A machine that waits draws its idle watts in its serving hours and is taken for off outside them.",
  ...(subject.kind === "member"
    ? [
        `Hardware, waiting and other costs are shared equally between the ${plural(costs.fixed.sharedBy, "member")} of the month, whatever they used.`,
      ]
    : []),
  ...(complete
    ? ["Limits are those of the day on which this was made: what held in a month that is over is not kept."]
    : []),
];

/** Every table that a statement has, in order; those without rows are left out. */
export const allTables = (statement: Statement): readonly StatementTable[] =>
  [
    jobsTable(statement),
    ...(statement.quota === null ? [] : [quotaTable(statement.quota)]),
    membersTable(statement),
    sharesTable(statement),
    tiersTable(statement),
    modelsTable(statement),
    nodesTable(statement),
    costsTable(statement),
    cloudTable(statement),
    fleetTable(statement),
    daysTable(statement),
  ].filter(({ rows }) => rows.length > 0);
