import { isTerminal } from "@coop/core";
import fc from "fast-check";
import { expect, test } from "vitest";
import { chatBody, createWorld } from "./testing/world.ts";

/** Bodies that were right before something happened to them. */

const valid: readonly { readonly path: string; readonly body: unknown }[] = [
  {
    path: "/v1/chat/completions",
    body: chatBody({
      model: "gemma4",
      messages: [
        { role: "system", content: "Be brief." },
        {
          role: "user",
          content: [
            { type: "text", text: "What?" },
            { type: "image_url", image_url: { url: "data:image/png;base64,AAAA" } },
          ],
        },
        {
          role: "assistant",
          content: null,
          tool_calls: [{ id: "c", type: "function", function: { name: "f", arguments: "{}" } }],
        },
        { role: "tool", tool_call_id: "c", content: "x" },
      ],
      stream_options: { include_usage: true },
      stop: ["a"],
      response_format: { type: "json_schema", json_schema: { schema: { type: "object" } } },
      max_tokens: 10,
    }),
  },
  {
    path: "/v1/chat/completions",
    body: chatBody({
      stream: true,
      tools: [{ type: "function", function: { name: "f", parameters: {} } }],
      reasoning_effort: "low",
    }),
  },
  {
    path: "/v1/embeddings",
    body: { model: "nomic-embed-text", input: ["a", "b"], encoding_format: "base64", dimensions: 3 },
  },
  {
    path: "/v1/jobs",
    body: { endpoint: "chat", request: chatBody(), deadlineSeconds: 5, band: "batch", metadata: { a: "b" } },
  },
];

const junk = fc.oneof(
  fc.jsonValue({ maxDepth: 2 }),
  fc.constantFrom(
    null,
    "",
    "coop/auto",
    "coop/",
    "__proto__",
    "\u0000",
    "\ud800",
    -1,
    0,
    1e308,
    2 ** 53,
    true,
    [],
    {},
  ),
);

type Path = readonly (string | number)[];

const pathsIn = (value: unknown): readonly Path[] =>
  typeof value === "object" && value !== null
    ? [[], ...Object.entries(value).flatMap(([key, inner]) => pathsIn(inner).map((path) => [key, ...path]))]
    : [[]];

/** The value with what is at the path replaced; undefined takes it away. */
function replaceAt(value: unknown, [head, ...rest]: Path, put: unknown): unknown {
  if (head === undefined) return put;
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value))
    return value.map((item: unknown, index) =>
      String(index) === String(head) ? replaceAt(item, rest, put) : item,
    );
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]: [string, unknown]) => [
      key,
      key === head ? replaceAt(inner, rest, put) : inner,
    ]),
  );
}

const mutation = fc.constantFrom(...valid).chain(({ path, body }) =>
  fc.record({
    path: fc.constant(path),
    text: fc.oneof(
      fc
        .array(fc.tuple(fc.constantFrom(...pathsIn(body)), fc.option(junk, { nil: undefined })), {
          minLength: 1,
          maxLength: 3,
        })
        .map(
          (changes) =>
            JSON.stringify(changes.reduce((changed, [at, put]) => replaceAt(changed, at, put), body)) ?? "",
        ),
      fc.tuple(fc.nat(400), fc.nat(5), fc.string({ maxLength: 4 })).map(([at, dropped, put]) => {
        const text = JSON.stringify(body);
        return text.slice(0, at) + put + text.slice(at + dropped);
      }),
    ),
  }),
);

test(
  "no mutation of a good body is a 500, and none leaves a hold or a job without an end",
  { timeout: 30_000 },
  async () => {
    const world = await createWorld();
    world.answerWith("ok");
    await fc.assert(
      fc.asyncProperty(mutation, async ({ path, text }) => {
        const response = await world.post(path, text);
        const answer = await response.text();
        expect([200, 202, 400, 404, 422], `${response.status} ${answer}`).toContain(response.status);
        if (response.status >= 400)
          expect(JSON.parse(answer)).toMatchObject({
            error: { message: expect.any(String), code: expect.any(String) },
          });
        const job = world.admitted.at(-1);
        if (response.status < 300 && job !== undefined)
          await world.until(job, ({ state }) => isTerminal(state));
        expect(await world.desk.account(world.ada.member.id, "2026-03")).toMatchObject({ heldTokens: 0 });
      }),
      { numRuns: 1_500 },
    );
    await world.expectQuiet();
  },
);
