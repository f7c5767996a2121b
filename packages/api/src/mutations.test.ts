import { isTerminal } from "@coop/core";
import { AWKWARD_VALUES, pathsIn, replaceAt } from "@coop/core/testing";
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
      tools: [{ type: "function", function: { name: "f", parameters: { $ref: "#" }, strict: true } }],
      tool_choice: { type: "function", function: { name: "f" } },
      parallel_tool_calls: false,
      reasoning_effort: "low",
      logprobs: true,
      top_logprobs: 2,
      temperature: 1,
      top_p: 1,
      seed: 1,
      user: "u",
      metadata: { a: "b" },
      logit_bias: {},
      modalities: ["text"],
      prompt_cache_key: "k",
    }),
  },
  {
    path: "/v1/embeddings",
    body: {
      model: "nomic-embed-text",
      input: ["a", "b"],
      encoding_format: "base64",
      dimensions: 3,
      user: "u",
    },
  },
  {
    path: "/v1/jobs",
    body: { endpoint: "chat", request: chatBody(), deadlineSeconds: 5, band: "batch", metadata: { a: "b" } },
  },
];

const junk = fc.oneof(
  fc.jsonValue({ maxDepth: 2 }),
  fc.constantFrom(...AWKWARD_VALUES, "coop/auto", "coop/", "required", "low"),
);

/** One body with up to three places changed or taken away, or with a few characters of its text changed. */
const mutationsOf = valid.map(({ path, body }) => {
  const text = JSON.stringify(body);
  const change = fc.tuple(fc.constantFrom(...pathsIn(body)), fc.option(junk, { nil: undefined }));
  const changed = fc
    .array(change, { minLength: 1, maxLength: 3 })
    .map(
      (changes) =>
        JSON.stringify(changes.reduce<unknown>((value, [at, put]) => replaceAt(value, at, put), body)) ?? "",
    );
  const garbled = fc
    .tuple(fc.nat(text.length), fc.nat(5), fc.string({ maxLength: 4 }))
    .map(([at, dropped, put]) => text.slice(0, at) + put + text.slice(at + dropped));
  return fc.record({ path: fc.constant(path), text: fc.oneof(changed, garbled) });
});

test(
  "no mutation of a good body is a 500, and none leaves a hold or a job without an end",
  { timeout: 60_000 },
  async () => {
    const world = await createWorld();
    world.answerWith("ok");
    const answers = { served: 0, refused: 0 };
    await fc.assert(
      fc.asyncProperty(fc.oneof(...mutationsOf), async ({ path, text }) => {
        const response = await world.post(path, text);
        const answer = await response.text();
        expect([200, 202, 400, 404, 422], `${response.status} ${answer}`).toContain(response.status);
        answers[response.status < 300 ? "served" : "refused"] += 1;
        if (response.status >= 400)
          expect(JSON.parse(answer)).toMatchObject({
            error: { message: expect.any(String), code: expect.any(String) },
          });
        const job = world.admitted.at(-1);
        if (response.status < 300 && job !== undefined)
          await world.until(job, ({ state }) => isTerminal(state));
        expect(await world.desk.accounting.account(world.ada.member.id, "2026-03")).toMatchObject({
          heldTokens: 0,
        });
      }),
      { numRuns: 10_000 },
    );
    expect(Math.min(answers.served, answers.refused)).toBeGreaterThan(1_000);
    await world.expectQuiet();
  },
);
