import { setImmediate as nextTurn } from "node:timers/promises";
import { Writable } from "node:stream";
import { expect, test } from "vitest";
import { createTurnBatch } from "./turn-batch.ts";

/** A stream that keeps what leaves at once together. */
function collect() {
  const left: string[][] = [];
  const stream = new Writable({
    decodeStrings: false,
    write(chunk: string, _encoding, done) {
      left.push([chunk]);
      done();
    },
    writev(chunks, done) {
      left.push(chunks.map(({ chunk }) => String(chunk)));
      done();
    },
  });
  const beforeWrite = createTurnBatch(stream);
  const write = (text: string): void => {
    beforeWrite();
    stream.write(text);
  };
  return { left, write };
}

test("what is written within a turn leaves together, in order, at the turn's end", async () => {
  const { left, write } = collect();
  write("a");
  write("b");
  await Promise.resolve();
  write("c");
  expect(left).toEqual([]);
  await nextTurn();
  expect(left).toEqual([["a", "b", "c"]]);
});

test("each turn is a batch of its own", async () => {
  const { left, write } = collect();
  write("a");
  await nextTurn();
  write("b");
  await nextTurn();
  expect(left).toEqual([["a"], ["b"]]);
});
