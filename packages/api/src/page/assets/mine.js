// A member's own quota and jobs.
import { ask, byId, count, element, moment, percent, say, tell } from "./dom.js";

async function showQuota() {
  const place = byId("quota-view");
  if (place === null) return;
  const quota = await ask("/v1/quota");
  const lines = [
    `${count.format(quota.usedTokens)} tokens used, ${count.format(quota.heldTokens)} held by jobs under way.`,
  ];
  /** @type {(Node | string)[]} */
  const parts = [];
  if (quota.limitTokens !== null) {
    const share = quota.limitTokens === 0 ? 1 : quota.usedTokens / quota.limitTokens;
    parts.push(
      element(
        "meter",
        { min: "0", max: "1", high: "0.9", value: String(Math.min(1, share)), "aria-label": "Quota used" },
        percent.format(share),
      ),
    );
    lines.push(
      `${count.format(quota.leftTokens)} of ${count.format(quota.limitTokens)} left until ${moment.format(quota.resetsAtMs)}.`,
    );
  } else {
    lines.push("No limit this month.");
  }
  if (quota.creditTokens !== 0) lines.push(`${count.format(quota.creditTokens)} of the limit are credit.`);
  place.replaceChildren(...parts, element("p", {}, lines.join(" ")));
}

const ENDED = new Set(["succeeded", "failed", "cancelled", "expired"]);

async function showJobs() {
  const rows = document.querySelector("#jobs-table tbody");
  if (rows === null) return;
  const { data } = await ask("/v1/jobs?limit=10");
  const focused = document.activeElement?.getAttribute("data-job");
  rows.replaceChildren(
    ...data.map((/** @type {any} */ job) => {
      const cancel = element(
        "button",
        { type: "button", class: "quiet", "data-job": job.id, "aria-label": `Cancel ${job.id}` },
        "Cancel",
      );
      cancel.addEventListener("click", () => void cancelJob(job.id).catch(tell));
      return element(
        "tr",
        {},
        element("th", { scope: "row" }, element("code", {}, job.id)),
        element("td", {}, job.requested),
        element("td", {}, element("span", { class: `state ${job.state}` }, job.state)),
        element("td", {}, job.nodeName ?? ""),
        element("td", { class: "number" }, count.format(job.outputTokens)),
        element("td", {}, moment.format(job.submittedAtMs)),
        element("td", {}, ENDED.has(job.state) ? "" : cancel),
      );
    }),
  );
  if (data.length === 0)
    rows.append(element("tr", {}, element("td", { colspan: "7", class: "empty" }, "No jobs yet.")));
  const again = focused && rows.querySelector(`[data-job="${CSS.escape(focused)}"]`);
  if (again instanceof HTMLElement) again.focus();
}

/** @param {string} id */
async function cancelJob(id) {
  await ask(`/v1/jobs/${id}`, { method: "DELETE" });
  say(`${id} is cancelled.`);
  refresh();
}

export function refresh() {
  if (document.hidden) return;
  Promise.all([showQuota(), showJobs()]).catch(tell);
}
