import { expect, it } from "vitest";
import { serverSentEvents } from "./server-sent-events.ts";

const STREAM = ': ping\n\ndata: {"text":"hej då"}\n\nevent: error\ndata: one\ndata: two\nid: 1-2\n\n';

async function* inPieces(text: string, size: number): AsyncGenerator<Uint8Array> {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

it.each([1, 2, 7, 1000])("reads the same events from pieces of %i bytes", async (size) => {
  const events = await Array.fromAsync(serverSentEvents(inPieces(STREAM, size)));
  expect(events).toEqual([
    { event: "message", data: '{"text":"hej då"}' },
    { event: "error", data: "one\ntwo" },
  ]);
});

it("leaves out what was not finished", async () => {
  const events = await Array.fromAsync(serverSentEvents(inPieces("data: a\n\ndata: b\n", 3)));
  expect(events.map(({ data }) => data)).toEqual(["a"]);
});
