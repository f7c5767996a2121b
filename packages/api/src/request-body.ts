import type { z } from "zod";
import type { ApiContext } from "./deps.ts";
import { ignoredFields, setIgnoredHeader } from "./ignored-fields.ts";
import { jsonDepth, locateJsonFlaw } from "./json-text.ts";
import { badRequest, ProblemError } from "./problem.ts";

/** Largest request body, bytes. */
export const MAX_BODY_BYTES = 4 * 1024 * 1024;
/** Deepest nesting of a request body. Tool schemas of real editors stay below 20. */
export const MAX_BODY_DEPTH = 64;

export interface JsonBody {
  /** As sent. */
  readonly text: string;
  readonly value: unknown;
}

/**
 * Reads the body as JSON, whatever Content-Type it claims.
 * @throws ProblemError 413 as soon as it is too large, 400 when it is not UTF-8, not JSON or too deep.
 */
export async function readJson(c: ApiContext): Promise<JsonBody> {
  const text = await (c.get("bodyText") ?? readBodyText(c.req.raw));
  if (text.trim() === "")
    throw badRequest("The body is empty; send a JSON object.", undefined, "invalid_json");
  const depth = jsonDepth(text);
  if (depth > MAX_BODY_DEPTH) {
    throw badRequest(
      `The body nests ${depth} levels deep; at most ${MAX_BODY_DEPTH} are read.`,
      undefined,
      "json_too_deep",
    );
  }
  try {
    return { text, value: JSON.parse(text) };
  } catch {
    const { offset, line, column } = locateJsonFlaw(text);
    throw badRequest(
      offset >= text.length
        ? `The body is not JSON: it ends at position ${offset} (line ${line}, column ${column}) before it is complete.`
        : `The body is not JSON: unexpected character at position ${offset} (line ${line}, column ${column}).`,
      undefined,
      "invalid_json",
    );
  }
}

/**
 * Reads the body as text, once.
 * @throws ProblemError 413 as soon as it is too large, 400 when it is not UTF-8 or breaks off
 */
export async function readBodyText(request: Request): Promise<string> {
  const declared = request.headers.get("content-length");
  if (Number(declared ?? 0) > MAX_BODY_BYTES) throw tooLarge();
  const decoder = new TextDecoder("utf-8", { fatal: true });
  return declared === null
    ? await readStream(request, decoder)
    : decode(decoder, await readWhole(request), false);
}

/** Reads a body whose size is declared, which is cheaper than a stream of it. */
async function readWhole(request: Request): Promise<Uint8Array> {
  try {
    return new Uint8Array(await request.arrayBuffer());
  } catch (error) {
    throw brokenOff(error);
  }
}

async function readStream(request: Request, decoder: TextDecoder): Promise<string> {
  if (request.body === null) return "";
  let text = "";
  let bytes = 0;
  try {
    for await (const chunk of request.body) {
      bytes += chunk.byteLength;
      if (bytes > MAX_BODY_BYTES) throw tooLarge();
      text += decode(decoder, chunk);
    }
  } catch (error) {
    throw brokenOff(error);
  }
  return text + decode(decoder);
}

const brokenOff = (error: unknown): ProblemError =>
  error instanceof ProblemError
    ? error
    : badRequest("The body broke off before its end.", undefined, "incomplete_body");

function decode(decoder: TextDecoder, chunk?: Uint8Array, goesOn = true): string {
  try {
    return chunk === undefined ? decoder.decode() : decoder.decode(chunk, { stream: goesOn });
  } catch {
    throw badRequest("The body is not UTF-8 text.", undefined, "invalid_encoding");
  }
}

const tooLarge = (): ProblemError =>
  new ProblemError(413, {
    code: "body_too_large",
    message: `The body is larger than ${MAX_BODY_BYTES} bytes (4 MiB), the most that is read.`,
  });

/**
 * Reads the value that a member's request is, and tells in a header which of its fields changed nothing.
 * @param prefix path of the value in the body, when it is not all of it
 * @throws ProblemError 400 whose `param` is the path of the first field at fault
 */
export function readRequest<T>(
  c: ApiContext,
  schema: z.ZodType<T>,
  value: unknown,
  prefix: readonly string[] = [],
): T {
  const read = parseBody(schema, value, prefix);
  setIgnoredHeader(c, ignoredFields(value, read, fieldPath(prefix)));
  return read;
}

/**
 * Checks a value against a schema.
 * @param prefix path of the value in the body, when it is not all of it
 * @throws ProblemError 400 whose `param` is the path of the first field at fault
 */
export function parseBody<T>(schema: z.ZodType<T>, value: unknown, prefix: readonly string[] = []): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const { path, message } = deepestIssue(parsed.error.issues);
  const param = fieldPath([...prefix, ...path]);
  throw badRequest(
    param === "" ? `The body: ${message}.` : `${param}: ${message}.`,
    param === "" ? undefined : param,
  );
}

interface Located {
  readonly path: readonly PropertyKey[];
  readonly message: string;
}

const PLAIN_UNION_MESSAGE = "Invalid input";

/** Of a union's branches, the one that got furthest is what the member meant, unless the union speaks for itself. */
function deepestIssue(issues: readonly z.core.$ZodIssue[]): Located {
  const [issue] = issues;
  if (issue === undefined) return { path: [], message: "is not as expected" };
  if (issue.code === "unrecognized_keys")
    return { path: [...issue.path, ...issue.keys.slice(0, 1)], message: "there is no such field" };
  const branches =
    issue.code === "invalid_union" && issue.message === PLAIN_UNION_MESSAGE ? issue.errors : [];
  let best: Located = issue;
  for (const branch of branches) {
    const inner = deepestIssue(branch);
    if (inner.path.length > 0 && issue.path.length + inner.path.length > best.path.length) {
      best = { path: [...issue.path, ...inner.path], message: inner.message };
    }
  }
  return best;
}

/** `messages[0].content`: as a programmer would write it. */
const fieldPath = (path: readonly PropertyKey[]): string =>
  path.reduce<string>((text, part) => {
    if (typeof part === "number") return `${text}[${part}]`;
    return text === "" ? String(part) : `${text}.${String(part)}`;
  }, "");
