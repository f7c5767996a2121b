import { chatCompletionRequestSchema, embeddingsRequestSchema } from "@coop/protocol";
import { z } from "zod";

/** Reading a batch file: lines in the shape of OpenAI's batch input, checked before any of them runs. Pure: no I/O. */

export type BatchEndpoint = "chat" | "embeddings";

/** One request of a batch file. */
export interface BatchLine {
  /** In the file, from 1; blank lines count. */
  readonly number: number;
  readonly customId: string;
  readonly endpoint: BatchEndpoint;
  /** The line's text, UTF-8. */
  readonly bytes: Uint8Array;
}

/** What is wrong with a line. */
export interface Flaw {
  readonly line: number;
  /** Such as `body.messages[0].content`; null when the line as a whole is wrong. */
  readonly field: string | null;
  readonly message: string;
}

export type Batch =
  | { readonly kind: "valid"; readonly lines: readonly BatchLine[] }
  | { readonly kind: "invalid"; readonly flaws: readonly Flaw[] };

const BODIES = { chat: chatCompletionRequestSchema, embeddings: embeddingsRequestSchema } as const;
const ENDPOINTS: ReadonlyMap<string, BatchEndpoint> = new Map([
  ["/v1/chat/completions", "chat"],
  ["/v1/embeddings", "embeddings"],
]);
const URLS = [...ENDPOINTS.keys()].join(" or ");

const bodySchema = z.record(z.string(), z.unknown(), { error: "must be an object, the request's body" });
const lineSchema = z.object(
  {
    custom_id: z
      .string({ error: "must be a text, your name for the request" })
      .min(1, { error: "must not be empty" }),
    method: z.literal("POST", { error: "must be POST" }),
    url: z.string({ error: `must be ${URLS}` }),
    body: bodySchema,
  },
  { error: "must be a JSON object" },
);
const LINE_FEED = 0x0a;
const BYTE_ORDER_MARK = [0xef, 0xbb, 0xbf] as const;

/**
 * Reads and checks a whole file.
 * @param model takes the place of the model in every line
 */
export function readBatch(bytes: Uint8Array, model: string | null): Batch {
  const lines: BatchLine[] = [];
  const flaws: Flaw[] = [];
  const namedOn = new Map<string, number>();
  let number = 0;
  for (const line of splitLines(bytes)) {
    number += 1;
    const read = readLine(line, number, model);
    if (read === "blank") continue;
    if ("flaws" in read) {
      flaws.push(...read.flaws);
      continue;
    }
    const before = namedOn.get(read.customId);
    if (before !== undefined) {
      const message = `${JSON.stringify(read.customId)} is on line ${before} already`;
      flaws.push({ line: number, field: "custom_id", message });
    } else namedOn.set(read.customId, number);
    lines.push(read);
  }
  if (flaws.length > 0) return { kind: "invalid", flaws };
  if (lines.length === 0)
    return { kind: "invalid", flaws: [{ line: 1, field: null, message: "the file has no request" }] };
  return { kind: "valid", lines };
}

function* splitLines(bytes: Uint8Array): Generator<Uint8Array> {
  let start = BYTE_ORDER_MARK.every((byte, index) => bytes[index] === byte) ? BYTE_ORDER_MARK.length : 0;
  while (start < bytes.length) {
    const feed = bytes.indexOf(LINE_FEED, start);
    const end = feed === -1 ? bytes.length : feed;
    yield bytes.subarray(start, end);
    start = end + 1;
  }
}

function readLine(
  bytes: Uint8Array,
  number: number,
  model: string | null,
): BatchLine | { readonly flaws: readonly Flaw[] } | "blank" {
  const flawed = (field: string | null, message: string) => ({ flaws: [{ line: number, field, message }] });
  const text = decode(bytes);
  if (text === null) return flawed(null, "is not UTF-8");
  if (text.trim() === "") return "blank";
  const json = parse(text);
  if ("error" in json) return flawed(null, `is not JSON: ${json.error}`);
  const line = lineSchema.safeParse(json.value);
  if (!line.success) return { flaws: flawsOf(line.error, number, []) };
  const { custom_id: customId, url, body } = line.data;
  const endpoint = ENDPOINTS.get(url);
  if (endpoint === undefined)
    return flawed("url", `must be ${URLS}, not ${JSON.stringify(url.slice(0, 80))}`);
  const request = BODIES[endpoint].safeParse(withModel(body, model));
  if (!request.success) return { flaws: flawsOf(request.error, number, ["body"]) };
  return { number, customId, endpoint, bytes };
}

function decode(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (error) {
    if (error instanceof TypeError) return null;
    throw error;
  }
}

function parse(text: string): { readonly value: unknown } | { readonly error: string } {
  try {
    return { value: JSON.parse(text) };
  } catch (error) {
    if (error instanceof SyntaxError) return { error: error.message };
    throw error;
  }
}

const flawsOf = (error: z.ZodError, line: number, within: readonly string[]): Flaw[] =>
  error.issues.map(({ path, message }) => ({ line, field: fieldOf([...within, ...path]), message }));

function fieldOf(path: readonly PropertyKey[]): string | null {
  if (path.length === 0) return null;
  return path
    .map((part) => (typeof part === "number" ? `[${part}]` : `.${String(part)}`))
    .join("")
    .replace(/^\./, "");
}

const withModel = (body: Readonly<Record<string, unknown>>, model: string | null) =>
  model === null ? body : { ...body, model };

/** The request's body as it is to run. */
export function requestBody({ bytes }: BatchLine, model: string | null): Readonly<Record<string, unknown>> {
  const { body } = z.object({ body: bodySchema }).parse(JSON.parse(new TextDecoder().decode(bytes)));
  return withModel(body, model);
}
