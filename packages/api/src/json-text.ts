/** Reading JSON text that others wrote. Pure: no I/O. */

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** How deep arrays and objects nest; counted without recursion, and right for every text that is valid JSON. */
export function jsonDepth(text: string): number {
  let depth = 0;
  let deepest = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) at = endOfString(text, at);
    else if (code === 0x7b || code === 0x5b) deepest = Math.max(deepest, ++depth);
    else if (code === 0x7d || code === 0x5d) depth--;
  }
  return deepest;
}

function endOfString(text: string, start: number): number {
  let at = start + 1;
  while (at < text.length && text.charCodeAt(at) !== QUOTE) at += text.charCodeAt(at) === BACKSLASH ? 2 : 1;
  return at;
}

export interface JsonFlaw {
  /** Characters before the flaw. */
  readonly offset: number;
  readonly line: number;
  readonly column: number;
}

/** A mark, or a scalar that is no string. */
const TOKEN = /([{}[\],:])|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y;
const ESCAPE = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y;
const SPACE = /[ \t\n\r]*/y;

type Expecting = "value" | "first-item" | "first-key" | "key" | "colon" | "after-value";
/** "string", "scalar", or a mark itself. */
type Token = string;

/**
 * Where text that does not parse as JSON goes wrong. The engine's own messages quote the text, which must
 * not reach a log, and often say no position.
 */
export function locateJsonFlaw(text: string): JsonFlaw {
  const open: string[] = [];
  let expecting: Expecting = "value";
  let at = 0;
  for (;;) {
    at = matchEnd(SPACE, text, at) ?? at;
    const token = readToken(text, at);
    const misplacedString = text.charCodeAt(at) === QUOTE && advance(expecting, "string", open) === null;
    if (token.kind === null) return flawAt(text, misplacedString ? at : token.end);
    const next = advance(expecting, token.kind, open);
    if (next === null) return flawAt(text, at);
    expecting = next;
    at = token.end;
  }
}

/** The token at a place and where it ends; kind null when there is none, and `end` is then the flaw. */
function readToken(text: string, at: number): { readonly kind: Token | null; readonly end: number } {
  if (text.charCodeAt(at) === QUOTE) return readString(text, at);
  TOKEN.lastIndex = at;
  const match = TOKEN.exec(text);
  return match === null ? { kind: null, end: at } : { kind: match[1] ?? "scalar", end: TOKEN.lastIndex };
}

function readString(text: string, start: number): { readonly kind: Token | null; readonly end: number } {
  let at = start + 1;
  for (;;) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) return { kind: "string", end: at + 1 };
    if (at >= text.length || code < 0x20) return { kind: null, end: at };
    const end = code === BACKSLASH ? matchEnd(ESCAPE, text, at) : at + 1;
    if (end === null) return { kind: null, end: at };
    at = end;
  }
}

function matchEnd(pattern: RegExp, text: string, at: number): number | null {
  pattern.lastIndex = at;
  return pattern.test(text) ? pattern.lastIndex : null;
}

/** What may follow a token, or null when the token may not stand here. Changes the stack of open brackets. */
function advance(expecting: Expecting, token: Token, open: string[]): Expecting | null {
  switch (expecting) {
    case "colon":
      return token === ":" ? "value" : null;
    case "key":
      return token === "string" ? "colon" : null;
    case "first-key":
      if (token === "string") return "colon";
      return token === "}" ? close(open) : null;
    case "after-value":
      if (token === "," && open.length > 0) return open.at(-1) === "{" ? "key" : "value";
      return (token === "}" && open.at(-1) === "{") || (token === "]" && open.at(-1) === "[")
        ? close(open)
        : null;
    case "value":
    case "first-item":
      if (token === "string" || token === "scalar") return "after-value";
      if (token === "]" && expecting === "first-item") return close(open);
      if (token !== "{" && token !== "[") return null;
      open.push(token);
      return token === "{" ? "first-key" : "first-item";
  }
}

function close(open: string[]): Expecting {
  open.pop();
  return "after-value";
}

function flawAt(text: string, offset: number): JsonFlaw {
  const before = text.slice(0, offset);
  return { offset, line: before.split("\n").length, column: offset - before.lastIndexOf("\n") };
}
