// Every node that may connect, for operators: whose it is, how it does, which agent it runs; drain, undrain, revoke.
import { ask, element, moment, say, tell } from "./dom.js";

/** @param {any} node @param {any} live what the fleet knows of it, undefined when it was never here */
function stateOf({ drainedAtMs }, live) {
  if (live === undefined) return "never seen";
  if (!live.connected) return drainedAtMs === null ? "away" : "away, drained";
  if (live.draining) return "stopping";
  if (live.closed !== null) return live.closed.reason.replaceAll("-", " ");
  return "takes jobs";
}

/**
 * @param {any} node
 * @param {"drain" | "undrain" | "revoke"} act
 */
async function perform({ id, name }, act) {
  const path = `/admin/nodes/${encodeURIComponent(id)}`;
  if (act !== "revoke") {
    await ask(`${path}/${act}`, { method: "POST" });
    say(act === "drain" ? `${name} takes nothing new.` : `${name} takes jobs again.`);
    return showNodes();
  }
  const isMeant = confirm(
    `Revoke ${name}? It is cut off at once and cannot come back; to serve again its machine must join anew.`,
  );
  if (!isMeant) return;
  await ask(path, { method: "DELETE" });
  say(`${name} was revoked.`);
  return showNodes();
}

/**
 * @param {any} node
 * @param {"drain" | "undrain" | "revoke"} act
 * @param {string} word
 */
function button(node, act, word) {
  const made = element(
    "button",
    { type: "button", class: "quiet", "data-act": `${act} ${node.id}`, "aria-label": `${word} ${node.name}` },
    word,
  );
  made.addEventListener("click", () => void perform(node, act).catch(tell));
  return made;
}

/** @param {any} node @param {any} live @param {string | null} newest version of the agent that the server hands out */
function row(node, live, newest) {
  const version = live?.machine.agentVersion ?? "";
  // From its sources it names no build.
  const isOld = version !== "" && newest !== null && version !== newest && version !== newest.split("+")[0];
  const drain =
    node.drainedAtMs === null ? button(node, "drain", "Drain") : button(node, "undrain", "Undrain");
  return element(
    "tr",
    {},
    element("th", { scope: "row" }, node.name),
    element("td", {}, live?.ownerName ?? node.owner),
    element("td", {}, stateOf(node, live)),
    element("td", {}, version, isOld ? element("small", {}, ` not the server's ${newest}`) : ""),
    element("td", {}, moment.format(node.joinedAtMs)),
    element("td", {}, drain, " ", button(node, "revoke", "Revoke")),
  );
}

export async function showNodes() {
  const rows = document.querySelector("#nodes-table tbody");
  if (rows === null || document.hidden) return;
  const [registered, fleet] = await Promise.all([ask("/admin/nodes"), ask("/v1/nodes")]);
  const live = new Map(fleet.data.map((/** @type {any} */ node) => [node.id, node]));
  const serving = registered.data.filter((/** @type {any} */ node) => node.revokedAtMs === null);
  const focused = document.activeElement?.getAttribute("data-act");
  rows.replaceChildren(
    ...serving.map((/** @type {any} */ node) => row(node, live.get(node.id), registered.agentVersion)),
  );
  if (serving.length === 0)
    rows.append(
      element("tr", {}, element("td", { colspan: "6", class: "empty" }, "No node has joined yet.")),
    );
  if (focused) focusAgain(rows, focused);
}

/** Gives the focus back to the button that had it; to its opposite, where pressing it put that in its place. */
function focusAgain(/** @type {Element} */ rows, /** @type {string} */ focused) {
  const [act = "", id = ""] = focused.split(" ");
  const opposite = { drain: "undrain", undrain: "drain" }[act] ?? act;
  const places = [focused, `${opposite} ${id}`].map((text) =>
    rows.querySelector(`[data-act="${CSS.escape(text)}"]`),
  );
  const place = places.find((found) => found !== null);
  if (place instanceof HTMLElement) place.focus();
}
