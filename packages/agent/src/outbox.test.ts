import fc from "fast-check";
import { expect, test } from "vitest";
import { INITIAL_CREDIT_BYTES } from "@coop/protocol";
import { Outbox, OUTBOX_CAP_BYTES } from "./outbox.ts";

const push = (outbox: Outbox, bytes = 10): void => outbox.push((seq) => String(seq).padEnd(bytes, "."));
const seqOf = (text: string): number => Number.parseInt(text, 10);
type Step =
  | { readonly kind: "push"; readonly bytes: number }
  | { readonly kind: "send" }
  | { readonly kind: "ack"; readonly share: number; readonly creditBytes: number }
  | { readonly kind: "reconnect"; readonly share: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant("push" as const), bytes: fc.integer({ min: 8, max: 40_000 }) }),
  fc.record({ kind: fc.constant("send" as const) }),
  fc.record({
    kind: fc.constant("ack" as const),
    share: fc.double({ min: 0, max: 1, noNaN: true }),
    creditBytes: fc.nat(100_000),
  }),
  fc.record({ kind: fc.constant("reconnect" as const), share: fc.double({ min: 0, max: 1, noNaN: true }) }),
);

/** What is true of every frame that leaves: it is the next one, and the credit was not used up before it. */
function sendWhatMayLeave(outbox: Outbox, model: Model): void {
  for (;;) {
    const onTheWay = model.sizes.slice(model.ackedSeq, model.arrived).reduce((sum, size) => sum + size, 0);
    const text = outbox.next();
    if (text === null) {
      expect(model.arrived === outbox.lastSeq || onTheWay >= model.creditBytes).toBe(true);
      return;
    }
    expect(onTheWay).toBeLessThan(model.creditBytes);
    expect(seqOf(text)).toBe(model.arrived + 1);
    model.arrived += 1;
  }
}

/** The scheduler's side. `arrived`: on this connection; `kept`: on any. */
interface Model {
  readonly sizes: number[];
  arrived: number;
  kept: number;
  ackedSeq: number;
  creditBytes: number;
}

test("whatever is acknowledged, lost and resumed, a scheduler gets every frame in order, within its credit", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const outbox = new Outbox();
      const model: Model = { sizes: [], arrived: 0, kept: 0, ackedSeq: 0, creditBytes: INITIAL_CREDIT_BYTES };
      for (const now of steps) {
        switch (now.kind) {
          case "push":
            push(outbox, now.bytes);
            model.sizes.push(now.bytes);
            break;
          case "send":
            sendWhatMayLeave(outbox, model);
            model.kept = Math.max(model.kept, model.arrived);
            break;
          case "ack":
            model.ackedSeq = Math.max(model.ackedSeq, Math.floor(now.share * model.arrived));
            model.creditBytes = now.creditBytes;
            outbox.acknowledge(model.ackedSeq, model.creditBytes);
            break;
          case "reconnect":
            model.ackedSeq += Math.floor(now.share * (model.kept - model.ackedSeq));
            model.arrived = model.ackedSeq;
            model.creditBytes = INITIAL_CREDIT_BYTES;
            expect(outbox.rewind(model.ackedSeq + 1)).toBe(true);
        }
      }
      model.creditBytes = Number.MAX_SAFE_INTEGER;
      outbox.acknowledge(model.ackedSeq, model.creditBytes);
      sendWhatMayLeave(outbox, model);
      expect(model.arrived).toBe(model.sizes.length);
      expect(outbox.isDrained).toBe(true);
    }),
  );
});

test("it is full until enough is acknowledged, and empty once discarded", () => {
  const outbox = new Outbox();
  while (!outbox.isFull) push(outbox, OUTBOX_CAP_BYTES / 4);
  expect(outbox.lastSeq).toBe(4);
  outbox.acknowledge(1, INITIAL_CREDIT_BYTES);
  expect(outbox.isFull).toBe(false);
  push(outbox, OUTBOX_CAP_BYTES);
  outbox.discard();
  expect([outbox.isFull, outbox.isDrained, outbox.next(), outbox.lastSeq]).toEqual([false, true, null, 5]);
});

test("it cannot give again what was acknowledged", () => {
  const outbox = new Outbox();
  for (let count = 0; count < 3; count += 1) push(outbox);
  outbox.next();
  outbox.next();
  outbox.acknowledge(2, INITIAL_CREDIT_BYTES);
  expect(outbox.rewind(2)).toBe(false);
  expect(outbox.rewind(3)).toBe(true);
  expect(outbox.rewind(5)).toBe(false);
});
