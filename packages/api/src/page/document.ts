import { html } from "hono/html";
import type { Caller } from "../deps.ts";
import type { LiveFleet, LiveModel, LiveNode } from "./live-fleet.ts";
import type { PulseHistory } from "./pulse.ts";

/** The co-op's page: the fleet for everyone, and with a key one's own part of it. Works without its script, which keeps it live. */

type Html = ReturnType<typeof html>;

export interface PageFacts {
  readonly coopName: string;
  /** Null for whoever is not signed in. */
  readonly caller: Caller | null;
  /** Null before a scheduler has reported. */
  readonly fleet: LiveFleet | null;
  readonly history: PulseHistory;
  /** The month that statements are about, `YYYY-MM`. */
  readonly month: string;
  /** Why signing in failed; null when it did not. */
  readonly problem: string | null;
}

export async function pageDocument(facts: PageFacts): Promise<string> {
  const { coopName, caller } = facts;
  const isOperator = caller?.member.role === "operator";
  const page = await html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>${coopName}</title>
        <link rel="icon" href="/page/icon.svg" type="image/svg+xml" />
        <link rel="stylesheet" href="/page/uplot.css" />
        <link rel="stylesheet" href="/page/page.css" />
        <script src="/page/uplot.js" defer></script>
        <script src="/page/page.js" type="module"></script>
      </head>
      <body data-role="${caller === null ? "nobody" : caller.member.role}">
        <a class="skip" href="#main">Skip to the content</a>
        <header>
          <h1>${coopName}</h1>
          ${caller === null ? "" : navigation(isOperator)} ${caller === null ? "" : signedIn(caller)}
        </header>
        <main id="main">
          ${fleetSection(facts)} ${caller === null ? signIn(facts.problem) : memberSections(facts.month)}
          ${isOperator ? operatorSections() : ""}
        </main>
        <footer>
          <p><a href="/docs">HTTP interface</a> · <a href="/openapi.json">OpenAPI</a></p>
        </footer>
        <p id="trouble" class="problem" role="alert"></p>
        <p id="said" class="visually-hidden" role="status" aria-live="polite"></p>
      </body>
    </html>`;
  return String(page);
}

const navigation = (isOperator: boolean): Html =>
  html`<nav aria-label="Sections">
    <a href="#fleet">Fleet</a>
    <a href="#ask">Ask</a>
    <a href="#quota">Quota</a>
    <a href="#jobs">Jobs</a>
    ${isOperator ? html`<a href="#members">Members</a> <a href="#nodes">Nodes</a> <a href="#join">Join</a>` : ""}
  </nav>`;

const signedIn = ({ member }: Caller): Html =>
  html`<form class="who" method="post" action="/page/sign-out">
    <span>${member.name}${member.role === "operator" && member.name !== "operator" ? ", operator" : ""}</span>
    <button type="submit" class="quiet">Sign out</button>
  </form>`;

const signIn = (problem: string | null): Html =>
  html`<section aria-labelledby="sign-in-title" class="card">
    <h2 id="sign-in-title">Sign in</h2>
    <p>
      With your API key you can ask the fleet, see your quota and jobs, and read your statement. It is kept in
      a cookie of this browser for twelve hours, as a name and a seal, not as the key.
    </p>
    <form method="post" action="/page/sign-in" class="row">
      <input name="coop" value="co-op" autocomplete="username" hidden />
      <label for="key">API key</label>
      <input
        id="key"
        name="key"
        type="password"
        autocomplete="current-password"
        required
        placeholder="coop_..."
        spellcheck="false"
        ${problem === null ? "" : html`aria-describedby="sign-in-problem" aria-invalid="true"`}
      />
      <button type="submit">Sign in</button>
    </form>
    ${problem === null ? "" : html`<p id="sign-in-problem" class="problem" role="alert">${problem}</p>`}
  </section>`;

function fleetSection({ fleet, history }: PageFacts): Html {
  return html`<section id="fleet" aria-labelledby="fleet-title">
    <h2 id="fleet-title">The fleet now</h2>
    <dl class="tiles">
      ${tile("connected", "Machines connected", fleet === null ? "–" : String(fleet.connected))}
      ${tile("running", "Generations running", fleet === null ? "–" : `${fleet.running} of ${fleet.slots}`)}
      ${tile("rate", "Output, tokens/s", fleet === null ? "–" : rateText(fleet.outputRate))}
      ${tile("possible", "Possible, tokens/s", fleet === null ? "–" : rateText(fleet.possibleRate))}
      ${tile("waiting", "Jobs waiting", fleet === null ? "–" : String(fleet.waiting))}
    </dl>
    <div class="charts">
      <figure>
        <figcaption>Output of the fleet, tokens a second</figcaption>
        <div id="rate-chart" class="chart" data-history="${JSON.stringify(history)}"></div>
      </figure>
      <figure>
        <figcaption>Jobs waiting</figcaption>
        <div id="waiting-chart" class="chart"></div>
      </figure>
    </div>
    <div class="scroll" role="region" aria-labelledby="machines-title" tabindex="0">
      <table id="machines">
        <caption id="machines-title">
          Machines
        </caption>
        <thead>
          <tr>
            <th scope="col">Machine</th>
            <th scope="col">State</th>
            <th scope="col" class="number">Running</th>
            <th scope="col" class="number">Tokens/s</th>
            <th scope="col">Models</th>
            <th scope="col">Budget left</th>
          </tr>
        </thead>
        <tbody>
          ${(fleet?.nodes ?? []).map(nodeRow)}
        </tbody>
      </table>
    </div>
    ${fleet === null || fleet.nodes.length === 0 ? html`<p class="empty">No machine has joined yet.</p>` : ""}
  </section>`;
}

const tile = (id: string, label: string, value: string): Html =>
  html`<div>
    <dt>${label}</dt>
    <dd id="${id}">${value}</dd>
  </div>`;

const rateText = (rate: number): string => rate.toFixed(rate < 100 ? 1 : 0);

/** The rows of the table of machines. */
export async function machineRows(nodes: readonly LiveNode[]): Promise<string> {
  return String(await html`${nodes.map(nodeRow)}`);
}

const nodeRow = (node: LiveNode): Html =>
  html`<tr data-node="${node.id}">
    <th scope="row">
      ${node.name}
      <small>
        ${node.chip}, ${node.memoryGib}
        GiB${node.simulated ? ", simulated" : ""}${node.outdated ? ", older agent" : ""}
      </small>
    </th>
    <td><span class="state ${node.state}">${node.stateText}</span></td>
    <td class="number">${node.running} of ${node.slots}</td>
    <td class="number">${rateText(node.outputRate)}</td>
    <td>${node.models.map(modelChip)}</td>
    <td>${node.budgets.length === 0 ? html`<small>no limit</small>` : node.budgets.map(budgetMeter)}</td>
  </tr>`;

const modelChip = (model: LiveModel): Html =>
  html`<span class="chip ${model.loaded ? "loaded" : ""} ${model.healthy ? "" : "unhealthy"}">
    ${model.name}
    <small
      >${model.tier}${model.outputRate === null ? "" : `, ${model.basis === "prior" ? "~" : ""}${rateText(model.outputRate)}/s`}${model.loaded ? ", loaded" : ""}${model.healthy ? "" : ", not working"}</small
    >
  </span> `;

const budgetMeter = ({ period, leftShare }: LiveNode["budgets"][number]): Html => {
  const percent = Math.round(leftShare * 100);
  return html`<label class="budget">
    ${period} <meter min="0" max="100" low="10" value="${percent}">${percent} %</meter> ${percent} %
  </label>`;
};

const memberSections = (month: string): Html =>
  html`<section id="ask" aria-labelledby="ask-title" class="card">
      <h2 id="ask-title">Ask the fleet</h2>
      <form id="ask-form">
        <div class="row">
          <label for="model">Model</label>
          <select id="model" name="model">
            <option value="coop/auto">coop/auto</option>
            <option value="coop/edge">coop/edge</option>
            <option value="coop/local-small">coop/local-small</option>
            <option value="coop/local-large">coop/local-large</option>
          </select>
          <label for="privacy">May run on</label>
          <select id="privacy" name="privacy">
            <option value="coop" selected>the co-op's machines</option>
            <option value="own">my own machines only</option>
          </select>
        </div>
        <label for="prompt">Prompt</label>
        <textarea id="prompt" name="prompt" rows="4" required></textarea>
        <div class="row">
          <button type="submit" id="send">Send</button>
          <button type="button" id="stop" class="quiet" disabled>Stop</button>
          <span id="ask-state" role="status"></span>
        </div>
      </form>
      <output id="answer" for="prompt" aria-label="Answer"></output>
      <details id="why" hidden>
        <summary>Where it ran, and why</summary>
        <div class="scroll" role="region" aria-label="Where it ran, and why" tabindex="0">
          <table id="why-table"></table>
        </div>
      </details>
    </section>
    <section id="quota" aria-labelledby="quota-title" class="card">
      <h2 id="quota-title">My quota</h2>
      <div id="quota-view"><p class="empty">Loading.</p></div>
      <p>
        <a href="/v1/statement?month=${month}&format=html">My statement for ${month}</a>
      </p>
    </section>
    <section id="jobs" aria-labelledby="jobs-title">
      <h2 id="jobs-title">My jobs</h2>
      <div class="scroll" role="region" aria-labelledby="jobs-title" tabindex="0">
        <table id="jobs-table">
          <thead>
            <tr>
              <th scope="col">Job</th>
              <th scope="col">Asked for</th>
              <th scope="col">State</th>
              <th scope="col">Node</th>
              <th scope="col" class="number">Tokens out</th>
              <th scope="col">Submitted</th>
              <th scope="col"><span class="visually-hidden">Cancel</span></th>
            </tr>
          </thead>
          <tbody></tbody>
        </table>
      </div>
    </section>`;

const operatorSections = (): Html =>
  html`<section id="members" aria-labelledby="members-title">
      <h2 id="members-title">Members</h2>
      <div class="scroll" role="region" aria-labelledby="members-title" tabindex="0">
        <table id="members-table">
          <thead>
            <tr>
              <th scope="col">Member</th>
              <th scope="col">Role</th>
              <th scope="col">State</th>
              <th scope="col" class="number">Weight</th>
            </tr>
          </thead>
          <tbody></tbody>
        </table>
      </div>
      <p>
        <a href="/admin/queues">The job queue</a> · the fleet's
        <a href="/admin/statement?format=html">statement</a>
      </p>
    </section>
    <section id="nodes" aria-labelledby="nodes-title">
      <h2 id="nodes-title">Nodes</h2>
      <div class="scroll" role="region" aria-labelledby="nodes-title" tabindex="0">
        <table id="nodes-table">
          <thead>
            <tr>
              <th scope="col">Node</th>
              <th scope="col">Owner</th>
              <th scope="col">State</th>
              <th scope="col">Agent</th>
              <th scope="col">Joined</th>
              <th scope="col"><span class="visually-hidden">Drain or revoke</span></th>
            </tr>
          </thead>
          <tbody></tbody>
        </table>
      </div>
    </section>
    <section id="join" aria-labelledby="join-title" class="card">
      <h2 id="join-title">Let a machine join</h2>
      <form id="join-form" class="row">
        <label for="join-member">It belongs to</label>
        <select id="join-member" name="member"></select>
        <button type="submit">Make a token</button>
      </form>
      <p id="join-result" role="status"></p>
    </section>`;
