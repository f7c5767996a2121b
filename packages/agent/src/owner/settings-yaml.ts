import { nearestNames } from "@coop/core";
import { isMap, isNode, LineCounter, parseDocument, visit } from "yaml";
import type { Document } from "yaml";
import type { z } from "zod";
import { SETTINGS_FILE, settingsSchema } from "./settings.ts";
import type { AgentSettings } from "./settings.ts";

/** The text of an `agent.yaml`: what it means, and with settings changed. Pure: no I/O. */

export type ParsedSettings =
  | { readonly kind: "settings"; readonly settings: AgentSettings }
  /** For the owner, with the line of each mistake. */
  | { readonly kind: "problem"; readonly problem: string };

/** Reads the text of an `agent.yaml`. */
export function parseSettings(text: string): ParsedSettings {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const told = (offset: number, message: string): ParsedSettings => {
    const { line } = lines.linePos(offset);
    return { kind: "problem", problem: `${SETTINGS_FILE}:${line}: ${message}` };
  };
  const [fault] = [...document.errors, ...document.warnings];
  if (fault !== undefined) return told(fault.pos[0], fault.message);
  const alias = firstAlias(document);
  if (alias !== null) return told(alias, "a part that stands for another is not read; write it out");
  // An editor that is about to write has emptied it: nothing is not the same as the defaults.
  if (text.trim() === "") return { kind: "problem", problem: `${SETTINGS_FILE} is empty` };
  const parsed = settingsSchema.safeParse(document.toJS() ?? {});
  if (parsed.success) return { kind: "settings", settings: parsed.data };
  const problems = parsed.error.issues
    .flatMap((issue) => problemsOf(issue, document, lines))
    .sort((one, other) => one.line - other.line);
  return { kind: "problem", problem: problems.map(({ problem }) => problem).join("\n") };
}

/** Where the first `*name` stands; null without one. */
function firstAlias(document: Document.Parsed): number | null {
  let found: number | null = null;
  visit(document, {
    Alias(_key, node) {
      found = node.range?.[0] ?? 0;
      return visit.BREAK;
    },
  });
  return found;
}

function problemsOf(
  issue: z.core.$ZodIssue,
  document: Document.Parsed,
  lines: LineCounter,
): { readonly line: number; readonly problem: string }[] {
  const at = (path: readonly PropertyKey[], message: string) => {
    const line = lineOf(document, path, lines);
    const name = path.map(String).join(".");
    return { line, problem: `${SETTINGS_FILE}:${line}: ${name === "" ? "it" : name} ${message}` };
  };
  if (issue.code !== "unrecognized_keys") return [at(issue.path, issue.message)];
  return issue.keys.map((key) => {
    const known = KNOWN[issue.path.map(String).join(".")] ?? [];
    return at(
      [...issue.path, key],
      `is not known here; the nearest name is ${nearestNames(key, known)[0] ?? ""}`,
    );
  });
}

const KNOWN: Readonly<Record<string, readonly string[]>> = {
  "": [
    "budget",
    "hours",
    "models",
    "pauseWhenActive",
    "slots",
    "memory",
    "freeMemory",
    "context",
    "pin",
    "name",
    "engine",
    "allowPlaintext",
  ],
  budget: ["day", "month", "share"],
  models: ["allow", "forbid"],
};

/** The line of a setting's name, or of what encloses it. */
function lineOf(document: Document.Parsed, path: readonly PropertyKey[], lines: LineCounter): number {
  let node: unknown = document.contents;
  let offset = 0;
  for (const step of path) {
    if (!isMap(node)) break;
    const pair = node.items.find(({ key }) => String(key) === String(step));
    if (pair === undefined) break;
    if (isNode(pair.key) && pair.key.range) offset = pair.key.range[0];
    node = pair.value;
  }
  return lines.linePos(offset).line;
}

/** A setting's place, such as `["budget", "day"]`, and what is to stand there. */
export interface SettingsChange {
  readonly path: readonly string[];
  readonly value: string | readonly string[];
}

/** The text with settings changed, and the rest of it, remarks included, as it is. `text` must be without mistakes. */
export function changeText(text: string, changes: readonly SettingsChange[]): string {
  const document = parseDocument(text);
  for (const { path, value } of changes) {
    const parent = path.slice(0, -1);
    if (parent.length > 0 && !isMap(document.getIn(parent, true)))
      document.setIn(parent, document.createNode({}));
    document.setIn(path, typeof value === "string" ? value : document.createNode(value, { flow: true }));
  }
  return document.toString({ lineWidth: 0 });
}
