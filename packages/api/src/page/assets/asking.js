// The prompt box: streams an answer, and tells where it ran and why.
import { ask, byId, element, find, problemOf, say, show } from "./dom.js";

/**
 * The data of server-sent events, as they come.
 * @param {ReadableStream<Uint8Array>} body
 */
async function* eventsOf(body) {
  let rest = "";
  const decoder = new TextDecoder();
  for await (const bytes of body) {
    rest += decoder.decode(bytes, { stream: true });
    const events = rest.split("\n\n");
    rest = events.pop() ?? "";
    for (const event of events) {
      const data = event.split("\n").filter((line) => line.startsWith("data: "));
      if (data.length > 0) yield data.map((line) => line.slice(6)).join("\n");
    }
  }
}

/** @param {() => void} refresh what else shows the job */
export function followAsking(refresh) {
  const form = find(HTMLFormElement, "ask-form");
  const answer = byId("answer");
  const why = find(HTMLDetailsElement, "why");
  const send = find(HTMLButtonElement, "send");
  const stop = find(HTMLButtonElement, "stop");
  if (form === null || answer === null || why === null || send === null || stop === null) return;
  let asking = new AbortController();
  const askOnce = async () => {
    send.disabled = true;
    stop.disabled = false;
    answer.textContent = "";
    why.hidden = true;
    show("ask-state", "waiting for a machine");
    try {
      await stream(form, answer, why, asking.signal);
    } catch (error) {
      show(
        "ask-state",
        asking.signal.aborted ? "stopped" : String(error instanceof Error ? error.message : error),
      );
    } finally {
      send.disabled = false;
      stop.disabled = true;
      refresh();
    }
  };
  stop.addEventListener("click", () => asking.abort());
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    asking = new AbortController();
    void askOnce();
  });
}

/**
 * @param {HTMLFormElement} form
 * @param {HTMLElement} answer
 * @param {HTMLDetailsElement} why
 * @param {AbortSignal} signal
 */
async function stream(form, answer, why, signal) {
  const fields = new FormData(form);
  const field = (/** @type {string} */ name) => {
    const value = fields.get(name);
    return typeof value === "string" ? value : "";
  };
  const response = await fetch("/v1/chat/completions", {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-Coop-Privacy": field("privacy") },
    body: JSON.stringify({
      model: field("model"),
      stream: true,
      messages: [{ role: "user", content: field("prompt") }],
    }),
    signal,
  });
  if (!response.ok || response.body === null) throw new Error(await problemOf(response));
  const job = response.headers.get("x-coop-job");
  for await (const data of eventsOf(response.body)) {
    if (data === "[DONE]") break;
    const chunk = JSON.parse(data);
    if (chunk.error) throw new Error(chunk.error.message);
    const text = chunk.choices?.[0]?.delta?.content;
    if (!text) continue;
    answer.append(text);
    show("ask-state", `${chunk.model} answers`);
  }
  show("ask-state", "done");
  say("The answer is complete.");
  if (job !== null) await explain(job, why);
}

/**
 * @param {string} job
 * @param {HTMLDetailsElement} why
 */
async function explain(job, why) {
  const placement = await ask(`/v1/jobs/${job}/placement`);
  const table = byId("why-table");
  if (table === null) return;
  const { decision } = placement;
  const summary = why.querySelector("summary");
  if (summary !== null && decision.kind === "assigned") {
    summary.textContent = `It ran on ${decision.nodeName} with ${decision.model}. Why there?`;
  }
  const head = element(
    "tr",
    {},
    ...["Machine", "Model", "Cost", "Of which waiting", "loading", "prompt", "answer"].map((text) =>
      element("th", { scope: "col" }, text),
    ),
  );
  const seconds = (/** @type {number} */ value) => `${value.toFixed(value < 10 ? 2 : 0)} s`;
  const rows = placement.nodes.flatMap((/** @type {any} */ node) =>
    node.options.map((/** @type {any} */ option) =>
      option.kind === "costed"
        ? element(
            "tr",
            {},
            element("th", { scope: "row" }, node.nodeName),
            element("td", {}, option.model),
            ...[
              option.cost.totalS,
              option.cost.waitS,
              option.cost.loadS,
              option.cost.prefillS,
              option.cost.decodeS,
            ].map((value) => element("td", { class: "number" }, seconds(value))),
          )
        : element(
            "tr",
            {},
            element("th", { scope: "row" }, node.nodeName),
            element("td", {}, option.model ?? "every model"),
            element(
              "td",
              { colspan: "5" },
              option.refusals.map((/** @type {any} */ refusal) => refusal.detail).join("; "),
            ),
          ),
    ),
  );
  table.replaceChildren(element("thead", {}, head), element("tbody", {}, ...rows));
  why.hidden = false;
}

/** Offers the models that the fleet has beside the tiers. */
export async function offerModels() {
  const choice = byId("model");
  if (choice === null) return;
  const { data } = await ask("/v1/models");
  for (const { id } of data) {
    if (choice.querySelector(`option[value="${CSS.escape(id)}"]`) === null)
      choice.append(element("option", { value: id }, id));
  }
}
