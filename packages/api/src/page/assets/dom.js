// What the parts of the page share: elements, texts, and questions to the co-op.

/** @param {string} id */
export const byId = (id) => document.getElementById(id);

/**
 * The element of the page with that id, when it is one of that kind.
 * @template T
 * @param {new () => T} kind
 * @param {string} id
 * @returns {T | null}
 */
export function find(kind, id) {
  const found = byId(id);
  return found instanceof kind ? found : null;
}

/** How long a trouble stays in sight after it was last met, ms. */
const TROUBLE_MS = 10_000;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let forgetting;

/** Says what went wrong, where nothing else would: to those who look and those who listen. @param {unknown} error */
export function tell(error) {
  show("trouble", error instanceof Error ? error.message : String(error));
  clearTimeout(forgetting);
  forgetting = setTimeout(() => show("trouble", ""), TROUBLE_MS);
}

/** Tells those who listen instead of looking. @param {string} text */
export function say(text) {
  const place = byId("said");
  if (place !== null) place.textContent = text;
}

/**
 * Sets a text, only where it changed: what listens is told of changes.
 * @param {string} id
 * @param {string} text
 */
export function show(id, text) {
  const place = byId(id);
  if (place !== null && place.textContent !== text) place.textContent = text;
}

export const count = new Intl.NumberFormat();
export const percent = new Intl.NumberFormat(undefined, { style: "percent", maximumFractionDigits: 1 });
export const moment = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

/**
 * An element with its attributes and children; text is never taken for markup.
 * @param {string} name
 * @param {Record<string, string>} attributes
 * @param {...(Node | string)} children
 */
export function element(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

/**
 * Asks the co-op. Throws an Error with what it said when it refuses.
 * @param {string} path
 * @param {RequestInit} [options]
 */
export async function ask(path, options) {
  const answer = await fetch(path, options).catch((/** @type {unknown} */ cause) => {
    throw new Error("The co-op does not answer. Is this device online?", { cause });
  });
  if (answer.status === 401) location.reload();
  if (!answer.ok) throw new Error(await problemOf(answer));
  return answer.status === 204 ? null : await answer.json();
}

/** @param {Response} answer */
export async function problemOf(answer) {
  const text = await answer.text();
  try {
    return JSON.parse(text).error.message;
  } catch {
    return `${answer.status} ${text.slice(0, 200)}`;
  }
}
