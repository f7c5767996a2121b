import { parseSync, Visitor } from "oxc-parser";
import type { CallExpression, Expression, MemberExpression, NewExpression, Program } from "oxc-parser";
import { importFindings, packageOf } from "./arrows.ts";

export interface SourceFile {
  /** Relative to the repository, with forward slashes. */
  readonly path: string;
  readonly text: string;
}

const maxLines = 500;
const vagueName = /(^|[-.])(utils?|helpers?|managers?)([-.]|$)/i;
const impureObjects = new Set(["process", "performance", "crypto", "console", "globalThis"]);
const impureMembers = new Set(["Date.now", "Math.random"]);
const impureCalls = new Set(["setTimeout", "setInterval", "setImmediate", "queueMicrotask", "fetch", "Date"]);
const programOnlyMembers = new Set(["env", "argv", "exit", "exitCode", "abort", "on", "once"]);

/** Everything in a TypeScript file that breaks a rule of the architecture, one sentence each. */
export function findings(file: SourceFile): string[] {
  const { program, errors } = parseSync(file.path, file.text);
  if (errors.length > 0) return errors.map((error) => `does not parse: ${error.message}`);
  const test = isTest(file.path);
  return [
    ...nameFindings(file.path),
    ...lengthFindings(file.text),
    ...codeFindings(program),
    ...(test ? [] : importedSpecifiers(program).flatMap((specifier) => importFindings(file.path, specifier))),
    ...(test || isProgram(file.path) ? [] : programFindings(program)),
    ...(packageOf(file.path) === "core" && !test ? impurityFindings(program) : []),
  ];
}

function isTest(path: string): boolean {
  return path.endsWith(".test.ts") || !path.startsWith("packages/");
}

function isProgram(path: string): boolean {
  return path.endsWith("/main.ts");
}

function nameFindings(path: string): string[] {
  return path
    .split("/")
    .filter((name) => vagueName.test(name))
    .map((name) => `"${name}" names no concept`);
}

function lengthFindings(text: string): string[] {
  const lines = text.trimEnd().split("\n").length;
  return lines <= maxLines ? [] : [`has ${lines} lines, more than ${maxLines}`];
}

function importedSpecifiers(program: Program): string[] {
  const specifiers: string[] = [];
  new Visitor({
    ImportDeclaration: (node) => void specifiers.push(node.source.value),
    ExportAllDeclaration: (node) => void specifiers.push(node.source.value),
    ExportNamedDeclaration: (node) => {
      if (node.source !== null) specifiers.push(node.source.value);
    },
    ImportExpression: ({ source }) =>
      void specifiers.push(
        source.type === "Literal" && typeof source.value === "string" ? source.value : "(computed)",
      ),
    TSImportType: (node) => void specifiers.push(node.source.value),
  }).visit(program);
  return specifiers;
}

/** Rules for every file, tests included. */
function codeFindings(program: Program): string[] {
  const found: string[] = [];
  new Visitor({
    TSAnyKeyword: () => void found.push("uses any"),
    TSNonNullExpression: () => void found.push("uses the non-null `!`"),
    TSEnumDeclaration: () => void found.push("declares an enum"),
    TSParameterProperty: () => void found.push("declares a parameter property"),
    TSAsExpression: ({ expression }) => {
      if (expression.type === "TSAsExpression" && expression.typeAnnotation.type === "TSUnknownKeyword") {
        found.push("casts through unknown");
      }
    },
    CatchClause: ({ body }) => {
      if (body.body.length === 0) found.push("swallows an error in an empty catch");
    },
    CallExpression: (node) => void found.push(...callFindings(node)),
  }).visit(program);
  return found;
}

function callFindings({ callee, arguments: args }: CallExpression): string[] {
  if (callee.type !== "MemberExpression") return [];
  const name = memberName(callee);
  const [first] = args;
  if (/^(test|it|describe)\b.*\.only$/.test(name)) return [`runs a part of the tests with ${name}`];
  if (name.endsWith(".catch") && first?.type === "ArrowFunctionExpression") {
    const { body } = first;
    if (body.type === "BlockStatement" && body.body.length === 0) {
      return ["swallows an error in an empty .catch"];
    }
  }
  if (
    /^vi\.(do)?mock$/i.test(name) &&
    first?.type === "Literal" &&
    /^(\.|@coop\/)/.test(String(first.value))
  ) {
    return [`mocks our own module ${String(first.value)}`];
  }
  return [];
}

/** What only a program's main.ts may do: read the environment, handle signals, exit. */
function programFindings(program: Program): string[] {
  const found: string[] = [];
  new Visitor({
    MemberExpression: (node) => {
      const [object, member] = memberName(node).split(".");
      if (object === "process" && member !== undefined && programOnlyMembers.has(member)) {
        found.push(`uses process.${member}, which belongs in a main.ts`);
      }
    },
    ImportDeclaration: ({ source }) => {
      if (/^(node:)?process$/.test(source.value))
        found.push("imports node:process, which belongs in a main.ts");
    },
  }).visit(program);
  return found;
}

/** What core must be given instead of taking it: time, randomness, timers, the world. */
function impurityFindings(program: Program): string[] {
  const found: string[] = [];
  const addCall = ({ callee, arguments: args }: CallExpression | NewExpression): void => {
    if (callee.type !== "Identifier" || !impureCalls.has(callee.name)) return;
    if (callee.name === "Date" && args.length > 0) return;
    found.push(`core takes ${callee.name}() instead of being given it`);
  };
  new Visitor({
    CallExpression: addCall,
    NewExpression: addCall,
    MemberExpression: (node) => {
      const name = memberName(node);
      const [object = ""] = name.split(".");
      if (impureMembers.has(name) || impureObjects.has(object)) {
        found.push(`core takes ${name} instead of being given it`);
      }
    },
  }).visit(program);
  return found;
}

/** `a.b.c` for a member expression of plain names; a part that is not one is `?`. */
function memberName({ object, property, computed }: MemberExpression): string {
  const last = computed ? "?" : property.type === "Identifier" ? property.name : "?";
  return `${expressionName(object)}.${last}`;
}

function expressionName(expression: Expression): string {
  if (expression.type === "Identifier") return expression.name;
  if (expression.type === "MemberExpression") return memberName(expression);
  if (expression.type === "CallExpression" && expression.callee.type !== "Super") {
    return `${expressionName(expression.callee)}()`;
  }
  return "?";
}
