import type { StatementView, UsageCountsView } from "@coop/protocol";
import { MEMBER_COLUMN, count, plural, renderTable, seconds } from "../output.ts";
import type { Column } from "../output.ts";

const right = (heading: string): Column => ({ heading, align: "right" });
const COUNTS = [right("JOBS"), right("TOKENS IN"), right("TOKENS OUT"), right("CHARGED"), right("NODE TIME")];
const NO_NODE = "without a node";

type Amount = StatementView["costs"]["energy"];
type Wait = StatementView["waits"]["p50"];

/** A statement for people at a terminal. */
export function statementLines(statement: StatementView): string[] {
  return [
    titleOf(statement),
    "",
    ...factLines(statement),
    ...missingLines(statement),
    ...memberTable(statement),
    ...table("TIER", statement.tiers, ({ key }) => key),
    ...table("MODEL", statement.models, ({ key }) => key),
    ...table("NODE", statement.nodes, ({ name, simulated }) => (simulated ? `${name} (simulated)` : name)),
  ];
}

function titleOf({ coop, subject, month, complete, timeZone, currency }: StatementView): string {
  const whose = subject.kind === "member" ? `Statement of ${subject.name}` : "The fleet";
  return `${whose}, ${month}${complete ? "" : " up to now"} (${coop}; ${timeZone}; amounts in ${currency})`;
}

function factLines(statement: StatementView): string[] {
  const { usage, waits, quota, costs, fleet, subject } = statement;
  const { fixed } = costs;
  const share =
    subject.kind === "member" ? `, fixed costs shared by ${plural(fixed.sharedBy, "member")}` : "";
  const facts: (readonly [string, string])[] = [
    ["Jobs", jobsText(usage)],
    [
      "Tokens",
      `${count(usage.promptTokens)} in, ${count(usage.outputTokens)} out, ${count(usage.chargedTokens)} charged`,
    ],
    [
      "Waits",
      waits.p50 === null
        ? "none"
        : `half at most ${waitText(waits.p50)}; 95 of 100 at most ${waitText(waits.p95)}`,
    ],
    ...(quota === null ? [] : [["Quota", quotaText(quota, statement.complete)] as const]),
    [
      "Cost",
      `${amountText(costs.total)}: electricity ${money(costs.energy.amount)}, hardware ${money(fixed.hardware.amount)}, waiting machines ${money(fixed.idleElectricity.amount)}, other ${money(fixed.other)}${share}`,
    ],
    ...costs.cloud.map(({ name, cost }) => [`at ${name}`, money(cost)] as const),
    ["Fleet", fleetText(fleet)],
  ];
  const width = Math.max(...facts.map(([name]) => name.length));
  return facts.map(([name, text]) => `${name.padEnd(width)}  ${text}`);
}

export const jobsOf = ({ succeeded, failed, cancelled, expired }: UsageCountsView): number =>
  succeeded + failed + cancelled + expired;

function jobsText(usage: UsageCountsView): string {
  const ended = jobsOf(usage);
  if (ended === 0) return "none ended";
  const others = (["failed", "cancelled", "expired"] as const)
    .filter((how) => usage[how] > 0)
    .map((how) => `, ${count(usage[how])} ${how}`);
  return `${count(ended)}, ${percent(usage.succeeded / ended)} succeeded${others.join("")}`;
}

/** Of a month that is over only today's limit is known: it says nothing about what was used then. */
function quotaText(quota: NonNullable<StatementView["quota"]>, complete: boolean): string {
  const { usedTokens, heldTokens, limitTokens, creditTokens } = quota;
  const limit = limitTokens === null ? "no limit" : count(limitTokens);
  const share = limitTokens === null || limitTokens === 0 ? "" : ` (${percent(usedTokens / limitTokens)})`;
  const of = limitTokens === null ? `, ${limit}` : ` of ${limit}${share}`;
  const held = heldTokens === 0 ? "" : `, ${count(heldTokens)} held`;
  return `${count(usedTokens)} tokens used${complete ? "" : of}${held}, ${count(creditTokens)} of credit${complete ? `; today's limit: ${limit}` : ""}`;
}

function fleetText({ utilisation, busyMs, servingMs, perMillionTokens }: StatementView["fleet"]): string {
  const used =
    utilisation === null
      ? "no node could serve"
      : `nodes worked ${percent(utilisation)} of the time that they could (${timeText(busyMs)} of ${timeText(servingMs)})`;
  const cost = perMillionTokens === null ? "" : `; a million tokens cost ${amountText(perMillionTokens)}`;
  return used + cost;
}

const missingLines = ({ missingPrices }: StatementView): string[] =>
  missingPrices.length === 0 ? [] : ["", ...missingPrices.map(({ remedy }) => `! ${remedy}`)];

function memberTable({ members }: StatementView): string[] {
  if (members.length === 0) return [];
  const rows = members.map((line) => [
    line.name,
    count(jobsOf(line)),
    jobsOf(line) === 0 ? "-" : percent(line.succeeded / jobsOf(line)),
    count(line.chargedTokens),
    line.quota.limitTokens === null ? "no limit" : count(line.quota.limitTokens),
    count(line.quota.creditTokens),
    timeText(line.nodeMs),
    line.waits.p50 === null ? "-" : timeText(line.waits.p50.ms),
    line.waits.p95 === null ? "-" : timeText(line.waits.p95.ms),
    `${line.total.without.length > 0 ? ">= " : ""}${money(line.total.amount)}`,
  ]);
  return [
    "",
    ...renderTable(
      [
        MEMBER_COLUMN,
        right("JOBS"),
        right("OK"),
        right("CHARGED"),
        right("LIMIT"),
        right("CREDIT"),
        right("NODE TIME"),
        right("WAIT p50"),
        right("p95"),
        right("COST"),
      ],
      rows,
    ),
  ];
}

type Group = UsageCountsView & { readonly key: string | null };

function table<T extends Group>(
  heading: string,
  groups: readonly T[],
  nameOf: (group: T) => string | null,
): string[] {
  return groups.length === 0 ? [] : ["", ...usageTable(heading, groups, nameOf)];
}

/** Usage by something, a row each. */
export const usageTable = <T extends Group>(
  heading: string,
  groups: readonly T[],
  nameOf: (group: T) => string | null,
): string[] =>
  renderTable(
    [{ heading, flexible: true }, ...COUNTS],
    groups.map((group) => [group.key === null ? NO_NODE : (nameOf(group) ?? NO_NODE), ...countCells(group)]),
  );

/** The cells of a row of usage. */
const countCells = (counts: UsageCountsView): string[] => [
  count(jobsOf(counts)),
  count(counts.promptTokens),
  count(counts.outputTokens),
  count(counts.chargedTokens),
  timeText(counts.nodeMs),
];

function waitText(wait: Wait): string {
  if (wait === null) return "-";
  const { ms, atLeastMs, atMostMs } = wait;
  return atMostMs === null
    ? `more than ${timeText(atLeastMs)}`
    : `${timeText(ms)} (${timeText(atLeastMs)} to ${timeText(atMostMs)})`;
}

const timeText = (ms: number): string => {
  if (ms > 0 && ms < 1_000) return `${Math.round(ms)} ms`;
  return ms >= 7_200_000 ? `${(ms / 3_600_000).toFixed(1)} h` : seconds(ms / 1_000);
};

const percent = (share: number): string =>
  `${share > 0 && share < 0.1 ? (share * 100).toPrecision(2) : Math.round(share * 100)} %`;

function amountText({ amount, without }: Amount): string {
  if (without.length === 0) return money(amount);
  return amount === 0
    ? `unknown without the price of ${without.join(", ")}`
    : `${money(amount)} without ${without.join(", ")}`;
}

/** Two digits behind the point; below a cent the two that say something. */
const money = (amount: number): string =>
  amount !== 0 && Math.abs(amount) < 0.01
    ? Number(amount.toPrecision(2)).toString()
    : amount.toLocaleString("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
