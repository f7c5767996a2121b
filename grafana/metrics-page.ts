import { describeMetrics } from "@coop/metrics";

/** What each metric says, as a page for people. */
export function metricsPage(): string {
  const rows = describeMetrics().map(({ name, type, labels, help }) => [
    `\`${name}\``,
    type,
    labels.map((label) => `\`${label}\``).join(", "),
    help.replaceAll("|", "\\|"),
  ]);
  return `${HEAD}\n${table(["name", "type", "labels", "what it says"], rows)}`;
}

/** A table whose columns line up. */
function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, column) =>
    Math.max(title.length, ...rows.map((cells) => cells[column]?.length ?? 0)),
  );
  const line = (cells: readonly string[], fill = " "): string =>
    `| ${widths.map((width, column) => (cells[column] ?? "").padEnd(width, fill)).join(" | ")} |\n`;
  return line(head) + line([], "-") + rows.map((cells) => line(cells)).join("");
}

const HEAD = `# Metrics

<!-- Written by \`npm run dashboards\` from the help texts in packages/metrics. Change those, not this page. -->

A server gives its metrics at \`/metrics\` in the Prometheus text format: to its own machine, and to whoever sends
\`Authorization: Bearer\` with its \`COOP_METRICS_TOKEN\`. Whether it lives is at \`/healthz\`, whether it can serve at
\`/readyz\`. All three are there whatever its \`COOP_ROLES\`.

- **Where they come from.** Each server tells of itself. Of the fleet, the queue and the members, the one whose scheduler
  leads tells alone, so that sums over several servers count nothing twice. Agents send what they measure with their
  reports; no port is open at any member's home.
- **Labels.** A \`node\` is a node's name and an \`owner\` the id of its member. Members appear by id, never by name; with
  \`COOP_METRICS_OF_MEMBERS=no\` nothing tells what any of them used. Models and nodes that are gone are shown no more. No
  label carries a job, a prompt or a key.
- **Units** are in the names: seconds, bytes, tokens. Counters end in \`_total\`; a histogram has \`_bucket\`, \`_sum\` and
  \`_count\` beside its name.
- **Beside these**, \`process_*\` and \`nodejs_*\` tell of the server's own process.

The dashboards in \`grafana/generated\` show every one of them; \`grafana/alerts/coop.rules.yaml\` says when to look, and
what to do.
`;
