// What operators see: members, and tokens with which machines join.
import { ask, byId, element, find, moment } from "./dom.js";

export async function showMembers() {
  const rows = document.querySelector("#members-table tbody");
  const choice = byId("join-member");
  if (rows === null || choice === null) return;
  const { data } = await ask("/admin/members");
  rows.replaceChildren(
    ...data.map((/** @type {any} */ member) =>
      element(
        "tr",
        {},
        element("th", { scope: "row" }, member.name),
        element("td", {}, member.role),
        element("td", {}, member.disabledAtMs === null ? "active" : "disabled"),
        element("td", { class: "number" }, String(member.weight)),
      ),
    ),
  );
  choice.replaceChildren(
    ...data
      .filter((/** @type {any} */ member) => member.disabledAtMs === null)
      .map((/** @type {any} */ member) => element("option", { value: member.id }, member.name)),
  );
}

export function followJoining() {
  const form = find(HTMLFormElement, "join-form");
  const result = byId("join-result");
  if (form === null || result === null) return;
  const makeToken = async () => {
    const token = await ask("/admin/join-tokens", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ member: new FormData(form).get("member") }),
    });
    const when = `On the machine, before ${moment.format(token.expiresAtMs)}, once: `;
    result.replaceChildren(when, element("code", {}, token.command));
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    makeToken().catch((/** @type {unknown} */ error) => {
      result.textContent = error instanceof Error ? error.message : String(error);
    });
  });
}
