import { jobsOf, tokensOf } from "@coop/core";
import type { Statement } from "@coop/core";
import { html, raw } from "hono/html";
import { barChart, quotaBar, tokensByDay } from "./charts.ts";
import type { Bar, Html } from "./charts.ts";
import {
  amountText,
  count,
  coverageOf,
  duration,
  isUnknown,
  money,
  NONE,
  percent,
  plural,
  price,
  roughly,
  titleOf,
} from "./figures.ts";
import { STATEMENT_STYLE } from "./style.ts";
import {
  cloudTable,
  costsTable,
  daysTable,
  fleetTable,
  jobsTable,
  membersTable,
  modelsTable,
  nodesTable,
  notesOf,
  quotaTable,
  sharesTable,
  tiersTable,
  utilisationText,
} from "./tables.ts";
import type { StatementTable } from "./tables.ts";

/** The statement as one page that needs nothing else: no script, no other file. Pure: no I/O. */
export async function statementPage(statement: Statement): Promise<string> {
  const title = titleOf(statement);
  const page = await html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>${title} · ${statement.coop}</title>
        ${raw(`<style>${STATEMENT_STYLE}</style>`)}
      </head>
      <body>
        <header>
          <p class="coop">${statement.coop}</p>
          <h1>${title}</h1>
          <p class="soft">${coverageOf(statement)} Amounts in ${statement.currency}.</p>
          ${keyFigures(statement)} ${missingPrices(statement)}
        </header>
        <main>
          ${statement.quota === null ? "" : quotaSection(statement)} ${membersSection(statement)}
          ${useSection(statement)} ${costSection(statement)} ${fleetSection(statement)}
          <section>
            <h2>Day by day</h2>
            ${tableOf(daysTable(statement), "headed")}
          </section>
        </main>
        <footer>
          <h2>How it is counted</h2>
          <ul class="notes">
            ${notesOf(statement).map((note) => html`<li>${note}</li>`)}
          </ul>
        </footer>
      </body>
    </html>`;
  return String(page);
}

function keyFigures({ usage, costs, fleet, quota, currency, subject }: Statement): Html {
  const ended = jobsOf(usage);
  const entry = (name: string, value: string, more: string): Html =>
    html`<div>
      <dt>${name}</dt>
      <dd>${value}</dd>
      <dd>${more}</dd>
    </div>`;
  const perMillion = costs.perMillionTokens;
  return html`<dl class="key">
    ${entry("Jobs", count(ended), ended === 0 ? "none ended" : `${percent(usage.succeeded / ended)} succeeded`)}
    ${entry("Tokens", roughly(tokensOf(usage)), `${roughly(usage.promptTokens)} in, ${roughly(usage.outputTokens)} out`)}
    ${entry(
      subject.kind === "member" ? "Share of the cost" : "Cost",
      isUnknown(costs.total) ? "unknown" : price(costs.total.amount, currency),
      costs.total.without.length > 0
        ? `without ${costs.total.without.join(", ")}`
        : `of which electricity ${money(costs.energy.amount)}`,
    )}
    ${
      quota === null || quota.limitTokens === null || quota.limitTokens === 0
        ? entry(
            "A million tokens",
            perMillion === null || isUnknown(perMillion) ? NONE : price(perMillion.amount, currency),
            `nodes ${percent(fleet.utilisation)} used`,
          )
        : entry(
            "Quota used",
            percent(quota.usedTokens / quota.limitTokens),
            `of ${roughly(quota.limitTokens)} tokens`,
          )
    }
  </dl>`;
}

const missingPrices = ({ missingPrices: missing }: Statement): Html | "" =>
  missing.length === 0
    ? ""
    : html`<div class="alert" role="note">
        <p>
          ${plural(missing.length, "price")} missing: amounts leave
          ${missing.length === 1 ? "this node" : "these nodes"} out
        </p>
        <ul>
          ${missing.map(({ remedy }) => html`<li>${remedy}</li>`)}
        </ul>
      </div>`;

function quotaSection({ quota }: Statement): Html | "" {
  if (quota === null) return "";
  const left =
    quota.limitTokens === null ? null : Math.max(0, quota.limitTokens - quota.usedTokens - quota.heldTokens);
  return html`<section>
    <h2>Quota</h2>
    ${
      left === null
        ? ""
        : html`<figure>
            <figcaption>${count(quota.usedTokens)} tokens used, ${count(left)} left</figcaption>
            ${quotaBar(quota)}
            ${legend([
              ["out", "used"],
              ["held", "held by jobs that run or wait"],
              ["credit", "from credit"],
              ["rail", "left"],
            ])}
          </figure>`
    }
    ${tableOf(quotaTable(quota), "headed")}
  </section>`;
}

const membersSection = (statement: Statement): Html | "" =>
  statement.members.length === 0
    ? ""
    : html`<section>
        <h2>Members</h2>
        ${tableOf(membersTable(statement))} ${tableOf(sharesTable(statement))}
      </section>`;

function useSection(statement: Statement): Html {
  const { month, days, tiers, nodes } = statement;
  const used = (label: string, counts: Parameters<typeof tokensOf>[0]): Bar => ({
    label,
    value: `${count(tokensOf(counts))} tokens`,
    parts: [
      { tone: "in", amount: counts.promptTokens },
      { tone: "out", amount: counts.outputTokens },
    ],
  });
  const onNodes = nodes.filter(({ key }) => key !== null);
  return html`<section>
    <h2>Use</h2>
    <figure>
      <figcaption>Tokens by day</figcaption>
      ${tokensByDay(month, days)}
      ${legend([
        ["in", "in (prompts)"],
        ["out", "out (answers)"],
      ])}
    </figure>
    <div class="pair">
      <figure>
        <figcaption>Tokens by tier</figcaption>
        ${barChart(
          "Tokens by tier",
          tiers.flatMap((group) => (group.key === null ? [] : [used(group.key, group)])),
        )}
      </figure>
      <figure>
        <figcaption>Tokens by node</figcaption>
        ${barChart(
          "Tokens by node",
          onNodes.map((node) => used(`${node.name ?? ""}${node.simulated ? " (simulated)" : ""}`, node)),
        )}
      </figure>
    </div>
    ${tableOf(jobsTable(statement))} ${tableOf(tiersTable(statement))} ${tableOf(modelsTable(statement))}
    ${tableOf(nodesTable(statement))}
  </section>`;
}

function costSection(statement: Statement): Html {
  const { costs, currency } = statement;
  const bars: Bar[] = [
    {
      label: "This co-op",
      value: amountText(costs.total, currency),
      parts: [{ tone: "own", amount: costs.total.amount }],
    },
    ...costs.cloud.map(({ name, cost }): Bar => ({
      label: name,
      value: price(cost, currency),
      parts: [{ tone: "other", amount: cost }],
    })),
  ];
  return html`<section>
    <h2>Cost</h2>
    ${tableOf(costsTable(statement), "headed total")}
    <figure>
      <figcaption>The same tokens elsewhere</figcaption>
      ${barChart("Cost of these tokens", bars)}
      ${costs.cloud.length === 0 ? html`<p class="soft">No price to compare with: coop.yaml names none under money: cloudPrices:.</p>` : ""}
    </figure>
    <p>${utilisationText(statement)}</p>
    ${tableOf(cloudTable(statement), "headed")}
  </section>`;
}

function fleetSection(statement: Statement): Html {
  const { fleet } = statement;
  const bars = fleet.nodes.map(({ name, simulated, busyMs, servingMs, utilisation }): Bar => ({
    label: `${name}${simulated ? " (simulated)" : ""}`,
    value: `${percent(utilisation)}, ${duration(busyMs)} of ${duration(servingMs)}`,
    parts: [
      { tone: "own", amount: utilisation ?? 0 },
      { tone: "rail", amount: Math.max(0, 1 - (utilisation ?? 0)) },
    ],
  }));
  return html`<section>
    <h2>The fleet</h2>
    ${
      bars.length === 0
        ? html`<p>No node belonged to the co-op in this month.</p>`
        : html`<figure>
              <figcaption>How much of their time nodes worked</figcaption>
              ${barChart("Utilisation", bars)}
            </figure>
            ${tableOf(fleetTable(statement))}`
    }
  </section>`;
}

const legend = (entries: readonly (readonly [tone: string, name: string])[]): Html =>
  html`<ul class="legend">
    ${entries.map(
      ([tone, name]) =>
        html`<li>
          <svg aria-hidden="true" width="11" height="11">
            <rect class="${tone}" width="11" height="11"></rect></svg
          >${name}
        </li>`,
    )}
  </ul>`;

/**
 * A wide table scrolls within itself, also by keyboard.
 * @param kind `headed`: what stands above it already says its title; `total`: the last row sums the others
 */
function tableOf({ title, columns, rows }: StatementTable, kind = ""): Html | "" {
  if (rows.length === 0) return "";
  const classOf = (index: number): string => (columns[index]?.numeric === true ? "number" : "");
  return html`<div class="wide" tabindex="0" role="region" aria-label="${title}">
    <table class="${columns.length === 2 ? `${kind} short` : kind}">
      <caption>
        ${title}
      </caption>
      <thead>
        <tr>
          ${columns.map(({ heading }, index) => html`<th scope="col" class="${classOf(index)}">${heading}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${rows.map(
          ([name, ...cells]) =>
            html`<tr>
              <th scope="row">${name}</th>
              ${cells.map((cell, index) => html`<td class="${classOf(index + 1)}">${cell}</td>`)}
            </tr>`,
        )}
      </tbody>
    </table>
  </div>`;
}
