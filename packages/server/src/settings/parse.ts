import { nearestNames } from "@coop/core";
import type { CoopSettings } from "@coop/core";
import { isMap, isNode, isScalar, isSeq, LineCounter, parseDocument, visit } from "yaml";
import type { Document, YAMLError } from "yaml";
import type { z } from "zod";
import { settingsShape } from "./shape.ts";

/** One thing that is wrong with a `coop.yaml`. */
export interface SettingsProblem {
  /** Counts from 1. */
  readonly line: number;
  /** Such as `money.machines.studio.price`; empty where the text is no YAML at all. */
  readonly field: string;
  /** What stands there and what the field takes. */
  readonly message: string;
}

export type ParsedSettings =
  | { readonly kind: "settings"; readonly settings: CoopSettings }
  | { readonly kind: "problems"; readonly problems: readonly SettingsProblem[] };

/** Far more than any co-op writes; a larger file is some other file. */
const LENGTH_MOST = 1_000_000;
const SHOWN_LENGTH = 60;

/**
 * Reads the text of a `coop.yaml`. Pure: no I/O.
 * @param machineTimeZone stands in where the text names none
 */
export function parseSettings(source: string, machineTimeZone: string): ParsedSettings {
  if (source.length > LENGTH_MOST) {
    const message = `the file has ${source.length} characters; a coop.yaml has at most ${LENGTH_MOST}`;
    return { kind: "problems", problems: [{ line: 1, field: "", message }] };
  }
  const lines = new LineCounter();
  const document = parseDocument(source, { lineCounter: lines, prettyErrors: false });
  const faults = [...document.errors, ...document.warnings];
  const syntax = faults.map((fault) => syntaxProblem(fault, source, lines));
  const unreadable = syntax.length > 0 ? syntax : aliasProblems(document, lines);
  if (unreadable.length > 0) return { kind: "problems", problems: unreadable };

  const tree = withoutEmpty(document.toJS()) ?? {};
  const parsed = settingsShape(machineTimeZone).safeParse(tree);
  if (parsed.success) return { kind: "settings", settings: parsed.data };
  const problems = parsed.error.issues.flatMap((issue) => shapeProblems(issue, tree, document, lines));
  return { kind: "problems", problems: problems.toSorted((a, b) => a.line - b.line) };
}

/** A key without a value is a key that was left out. */
function withoutEmpty(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutEmpty);
  if (typeof value !== "object" || value === null) return value ?? undefined;
  const filled = Object.entries(value).map(([key, inner]) => [key, withoutEmpty(inner)] as const);
  return Object.fromEntries(filled.filter(([, inner]) => inner !== undefined));
}

function syntaxProblem(fault: YAMLError, source: string, lines: LineCounter): SettingsProblem {
  const { line } = lines.linePos(fault.pos[0]);
  const text = (source.split(/\r?\n/)[line - 1] ?? "").trim();
  switch (fault.code) {
    case "DUPLICATE_KEY":
      return {
        line,
        field: text.split(":")[0] ?? "",
        message: "stands here a second time; keep one of them",
      };
    case "TAB_AS_INDENT":
      return { line, field: "", message: `a tab before ${shown(text)}; indent with spaces` };
    case "MULTIPLE_DOCS":
      return { line, field: "", message: "a second document begins here; a coop.yaml is one" };
    default:
      return { line, field: "", message: `${fault.message.replace(/\.?$/, "")}, at ${shown(text)}` };
  }
}

/** What stands for a part elsewhere is not read: each part says what it says where it stands. */
function aliasProblems(document: Document.Parsed, lines: LineCounter): readonly SettingsProblem[] {
  const problems: SettingsProblem[] = [];
  visit(document, {
    Alias(_key, alias) {
      const { line } = lines.linePos(alias.range?.[0] ?? 0);
      problems.push({
        line,
        field: "",
        message: `*${alias.source} stands for another part; write that part out`,
      });
    },
  });
  return problems;
}

type Path = readonly PropertyKey[];

function shapeProblems(
  issue: z.core.$ZodIssue,
  tree: unknown,
  document: Document.Parsed,
  lines: LineCounter,
): readonly SettingsProblem[] {
  if (issue.code === "unrecognized_keys") {
    const known = issue.message.split(" ");
    return issue.keys.map((key) => ({
      line: lineOf(document, lines, [...issue.path, key]),
      field: fieldName([...issue.path, key]),
      message: `is not known here; the nearest name is ${nearestNames(key, known)[0] ?? ""}`,
    }));
  }
  const value = issue.path.reduce(childValue, tree);
  const found = value === undefined ? "is missing; it" : `is ${shown(value)}; it`;
  return [
    {
      line: lineOf(document, lines, issue.path),
      field: fieldName(issue.path),
      message: `${found} ${issue.message}`,
    },
  ];
}

const childValue = (value: unknown, key: PropertyKey): unknown =>
  typeof value === "object" && value !== null ? Reflect.get(value, key) : undefined;

/** The line of a field's name, or of the nearest thing around it that is there. */
function lineOf(document: Document.Parsed, lines: LineCounter, path: Path): number {
  let offset = document.contents?.range?.[0] ?? 0;
  let node: unknown = document.contents;
  for (const key of path) {
    const found = childNode(node, key);
    if (found === null) break;
    offset = found.offset;
    node = found.value;
  }
  return lines.linePos(offset).line;
}

function childNode(
  parent: unknown,
  key: PropertyKey,
): { readonly offset: number; readonly value: unknown } | null {
  if (isMap(parent)) {
    const pair = parent.items.find((item) => isScalar(item.key) && String(item.key.value) === key);
    if (pair === undefined || !isScalar(pair.key)) return null;
    return { offset: pair.key.range?.[0] ?? 0, value: pair.value };
  }
  if (!isSeq(parent) || typeof key !== "number") return null;
  const item = parent.items[key];
  return isNode(item) ? { offset: item.range?.[0] ?? 0, value: item } : null;
}

const fieldName = (path: Path): string =>
  path.reduce<string>(
    (name, key) =>
      typeof key === "number" ? `${name}[${key}]` : name === "" ? String(key) : `${name}.${String(key)}`,
    "",
  );

/** A value for people, cut short. */
function shown(value: unknown): string {
  const text = typeof value === "number" ? String(value) : JSON.stringify(value);
  return text.length <= SHOWN_LENGTH ? text : `${text.slice(0, SHOWN_LENGTH)}…`;
}
