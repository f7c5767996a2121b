import { describe, expect, it } from "vitest";
import { readBatch, requestBody } from "./batch-file.ts";
import type { Batch, BatchLine } from "./batch-file.ts";

const chat = (changes: object = {}, body: object = {}): string =>
  JSON.stringify({
    custom_id: "a",
    method: "POST",
    url: "/v1/chat/completions",
    body: { model: "coop/edge", messages: [{ role: "user", content: "Hi" }], ...body },
    ...changes,
  });
const read = (text: string, model: string | null = null): Batch => readBatch(Buffer.from(text), model);
const linesOf = (batch: Batch): readonly BatchLine[] => (batch.kind === "valid" ? batch.lines : []);
const flawsOf = (batch: Batch): readonly string[] =>
  batch.kind === "invalid"
    ? batch.flaws.map(({ line, field, message }) => `${line} ${field ?? "-"}: ${message}`)
    : [];

describe("a batch file", () => {
  it("is read with its own line numbers, whatever ends its lines", () => {
    const text = `\uFEFF${chat()}\r\n\r\n  \n${chat({ custom_id: "b", url: "/v1/embeddings", body: { model: "m", input: "x" } })}`;
    expect(linesOf(read(text)).map(({ number, customId, endpoint }) => [number, customId, endpoint])).toEqual(
      [
        [1, "a", "chat"],
        [4, "b", "embeddings"],
      ],
    );
  });

  it.each<[string, string, RegExp]>([
    ["JSON that is none", `${chat()}\n{"custom_id": "b"`, /^2 -: is not JSON/],
    ["a line that is no object", "[1]", /^1 -: must be a JSON object/],
    ["no custom_id", chat({ custom_id: undefined }), /^1 custom_id: must be a text/],
    ["an empty custom_id", chat({ custom_id: "" }), /^1 custom_id: must not be empty/],
    ["a custom_id twice", `${chat()}\n\n${chat()}`, /^3 custom_id: "a" is on line 1 already/],
    ["another method", chat({ method: "GET" }), /^1 method: must be POST/],
    [
      "another url",
      chat({ url: "/v1/images" }),
      /^1 url: must be \/v1\/chat\/completions or \/v1\/embeddings/,
    ],
    ["no body", chat({ body: undefined }), /^1 body: must be an object/],
    [
      "a field of the wrong type",
      chat({}, { messages: [{ role: "user", content: 3 }] }),
      /^1 body\.messages\[0\]\.content: /,
    ],
    ["what no node can do", chat({}, { n: 2 }), /^1 body\.n: only one choice/],
    ["no model", chat({}, { model: undefined }), /^1 body\.model: /],
    ["nothing", "", /^1 -: the file has no request/],
    ["blank lines alone", "\n \n", /^1 -: the file has no request/],
  ])("is refused for %s", (_, text, flaw) => {
    const flaws = flawsOf(read(text));
    expect(flaws).toHaveLength(1);
    expect(flaws[0]).toMatch(flaw);
  });

  it("is refused for bytes that are no text", () => {
    const bytes = Buffer.concat([
      Buffer.from(chat({ custom_id: "x" }).replace('"x"', '"')),
      Buffer.from([0xff]),
    ]);
    expect(flawsOf(readBatch(bytes, null))).toEqual(["1 -: is not UTF-8"]);
  });

  it("tells every flaw at once", () => {
    expect(flawsOf(read(`{\n${chat({ method: "PUT", url: 1 })}\n${chat()}\n${chat()}`))).toEqual([
      expect.stringMatching(/^1 -: is not JSON/),
      "2 method: must be POST",
      expect.stringMatching(/^2 url: /),
      expect.stringMatching(/^4 custom_id: /),
    ]);
  });

  it("may leave the model to the command, which replaces it everywhere", () => {
    const lines = linesOf(read(`${chat({}, { model: undefined })}\n${chat({ custom_id: "b" })}`, "qwen3:8b"));
    expect(lines.map((line) => requestBody(line, "qwen3:8b")["model"])).toEqual(["qwen3:8b", "qwen3:8b"]);
    expect(
      requestBody(lines[1] ?? { number: 0, customId: "", endpoint: "chat", bytes: new Uint8Array() }, null),
    ).toMatchObject({
      model: "coop/edge",
    });
  });
});
