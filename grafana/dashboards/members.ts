import { RowBuilder } from "@grafana/grafana-foundation-sdk/dashboard";
import { bars, COUNT, dashboard, figure, RATIO, SECONDS, series, TOKENS } from "./panel.ts";

const USED_SHARE = "coop_member_quota_used_tokens / (coop_member_quota_limit_tokens > 0)";
/** What each member was charged in an hour. A new month begins at 0, hence no negative steps. */
const CHARGED_HOURLY = "clamp_min(delta(coop_member_quota_used_tokens[1h]), 0)";

/** What charges too much at first comes back at a job's end, hence no negative steps. */
const SERVICE_HOURLY = "clamp_min(delta(coop_member_service_reference_seconds[1h]), 0)";

/** Quotas, and how evenly the fleet's work is spread over members. Members appear by their id. */
export const members = dashboard(
  "coop-members",
  "Co-op: members",
  "Quotas of members, and how evenly the fleet's work is spread over them. Members appear by their id; `coop members list` has the names.",
)
  .withRow(new RowBuilder("This month"))
  .withPanel(
    figure({
      title: "Tokens charged",
      description: "Tokens that all members were charged this month.",
      unit: TOKENS,
      width: 6,
      queries: [{ expr: "sum(coop_member_quota_used_tokens)", legend: "charged" }],
    }),
  )
  .withPanel(
    figure({
      title: "Held by jobs under way",
      description: "Tokens that jobs hold until they end; what they do not use comes back.",
      unit: TOKENS,
      width: 6,
      queries: [{ expr: "sum(coop_member_quota_held_tokens)", legend: "held" }],
    }),
  )
  .withPanel(
    figure({
      title: "Credit earned or granted",
      description: "Quota that members earned with their nodes, or that an operator granted.",
      unit: TOKENS,
      width: 6,
      queries: [{ expr: "sum(coop_member_credit_tokens)", legend: "credit" }],
    }),
  )
  .withPanel(
    figure({
      title: "Members close to their quota",
      description: "Members who used nine tenths of their quota or more.",
      unit: COUNT,
      width: 6,
      limits: { amber: 1, red: 5 },
      queries: [{ expr: `count(${USED_SHARE} >= 0.9) or vector(0)`, legend: "members" }],
    }),
  )
  .withPanel(
    bars({
      title: "Quota used",
      description: "Share of each member's quota, credit included. Members without a limit are not shown.",
      unit: RATIO,
      width: 12,
      max: 1,
      limits: { amber: 0.75, red: 0.9 },
      queries: [{ expr: `sort_desc(${USED_SHARE})`, legend: "{{member}}" }],
    }),
  )
  .withPanel(
    series({
      title: "Tokens charged, month so far",
      description: "By member; begins at 0 with each month.",
      unit: TOKENS,
      width: 12,
      queries: [{ expr: "coop_member_quota_used_tokens", legend: "{{member}}" }],
    }),
  )
  .withRow(new RowBuilder("Fairness"))
  .withPanel(
    series({
      title: "Tokens charged an hour, by member",
      description: "Stacked: who the fleet worked for.",
      unit: TOKENS,
      width: 12,
      stacked: true,
      queries: [{ expr: CHARGED_HOURLY, legend: "{{member}}" }],
    }),
  )
  .withPanel(
    series({
      title: "Service had in an hour, by member",
      description:
        "What fairness is reckoned by: the work that the fleet did for a member, over the member's weight, as the seconds that one reference machine would take for it. Members who wait at the same time get about the same.",
      unit: SECONDS,
      width: 12,
      queries: [{ expr: SERVICE_HOURLY, legend: "{{member}}" }],
    }),
  )
  .withPanel(
    series({
      title: "Service had, by member",
      description: "The same since the scheduler began to lead; a new leader begins at 0.",
      unit: SECONDS,
      width: 12,
      queries: [{ expr: "coop_member_service_reference_seconds", legend: "{{member}}" }],
    }),
  )
  .withPanel(
    series({
      title: "Evenness of use (Jain's index)",
      description:
        "1 when every member who used the fleet in the last hour used the same; 1/n when one of n used it all. Low is not unfair by itself: members want different amounts.",
      unit: RATIO,
      width: 12,
      max: 1,
      queries: [
        {
          expr: `(sum(${CHARGED_HOURLY}) ^ 2) / clamp_min(count(${CHARGED_HOURLY} > 0) * sum((${CHARGED_HOURLY}) ^ 2), 1) or vector(1)`,
          legend: "evenness",
        },
      ],
    }),
  )
  .withPanel(
    series({
      title: "Held by jobs under way",
      description:
        "By member: large and lasting holds come from high output limits; lower max_tokens frees them.",
      unit: TOKENS,
      width: 12,
      queries: [{ expr: "coop_member_quota_held_tokens", legend: "{{member}}" }],
    }),
  )
  .withPanel(
    series({
      title: "Credit",
      description: "By member.",
      unit: TOKENS,
      width: 12,
      queries: [{ expr: "coop_member_credit_tokens", legend: "{{member}}" }],
    }),
  );
