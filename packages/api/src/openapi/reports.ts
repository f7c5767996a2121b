import { USAGE_GROUPINGS } from "@coop/core";
import { json, JSON_TYPE } from "./operation.ts";
import type { Answer, Operation, Parameter } from "./operation.ts";

const RANGE: readonly Parameter[] = [
  {
    in: "query",
    name: "from",
    description:
      "First day, YYYY-MM-DD, in the co-op's time zone; the first of the month of `to` when left out. Months before " +
      "the member (of all: the first member) was added and days to come are left out of the sums.",
  },
  { in: "query", name: "to", description: "Last day, included; today when left out." },
  {
    in: "query",
    name: "groupBy",
    description: "What to sum by; by day when left out.",
    values: USAGE_GROUPINGS,
  },
  { in: "query", name: "format", description: "JSON when left out.", values: ["json", "csv"] },
  {
    in: "query",
    name: "cursor",
    description:
      "`nextCursor` of the page before: a long range comes in pages of months, each with its own sums.",
  },
];
const MONTH: readonly Parameter[] = [
  {
    in: "query",
    name: "month",
    description: "YYYY-MM, in the co-op's time zone; the month that runs when left out.",
  },
  { in: "query", name: "format", description: "JSON when left out.", values: ["json", "html", "md", "csv"] },
];
const member = (without: string): Parameter => ({
  in: "query",
  name: "member",
  description: `A member's id or name; ${without} when left out.`,
});

const USAGE_ANSWER: Answer = {
  status: 200,
  description: "The sums of a page.",
  contents: [{ type: JSON_TYPE, schemas: ["UsagePage"] }, { type: "text/csv" }],
  headers: { Link: 'The address of the next page, rel="next"; absent on the last.' },
};
const STATEMENT_ANSWER: Answer = {
  ...json("Statement", "The statement."),
  contents: [
    { type: JSON_TYPE, schemas: ["Statement"] },
    { type: "text/html" },
    { type: "text/markdown" },
    { type: "text/csv" },
  ],
};

/** What was used and what it cost. */
export const REPORTS: readonly Operation[] = [
  {
    method: "get",
    path: "/v1/usage",
    id: "getUsage",
    group: "Reports",
    summary: "What the caller used, summed by day, model, tier or node.",
    access: "member",
    parameters: RANGE,
    answers: [USAGE_ANSWER],
    problems: [400, 401, 500, 503],
  },
  {
    method: "get",
    path: "/v1/statement",
    id: "getStatement",
    group: "Reports",
    summary:
      "The caller's statement of a month: use, waits, quota, costs, and what clouds would have charged.",
    description:
      "HTML is one page that loads nothing and prints well. An amount whose node has no price in coop.yaml says so.",
    access: "member",
    parameters: MONTH,
    answers: [STATEMENT_ANSWER],
    problems: [400, 401, 500, 503],
  },
  {
    method: "get",
    path: "/admin/usage",
    id: "getAnyUsage",
    group: "Reports",
    summary: "What a member or all members used, summed by day, model, tier or node.",
    access: "operator",
    parameters: [member("all members together"), ...RANGE],
    answers: [USAGE_ANSWER],
    problems: [400, 401, 403, 404, 500, 503],
  },
  {
    method: "get",
    path: "/admin/statement",
    id: "getAnyStatement",
    group: "Reports",
    summary: "The statement of a member, or of the fleet with a row for each member.",
    access: "operator",
    parameters: [member("the fleet"), ...MONTH],
    answers: [STATEMENT_ANSWER],
    problems: [400, 401, 403, 404, 500, 503],
  },
];
