import type { Delta } from "@coop/core";
import type { CancelTimer, Timing } from "./timing.ts";

/** Time between two output frames of an attempt, ms; half of it less or more for the first two. */
export const BATCH_INTERVAL_MS = 30;
/** A batch goes out early at this size, bytes: far below a frame's limit. */
const batchBytes = 128 * 1024;
/** Longest text in one delta, characters: one may take six bytes in JSON. */
const pieceChars = 16 * 1024;

/**
 * Gathers what an engine produces into frames: the first piece at once, then what came meanwhile on each beat of
 * 30 ms, which all attempts of an agent share: what leaves together is kept by the server with one write to disk.
 * Neighbouring pieces of the same text become one.
 */
export class DeltaBatch {
  readonly #timing: Timing;
  readonly #onFlush: (deltas: readonly Delta[], tokens: number) => void;
  #deltas: Delta[] = [];
  #tokens = 0;
  #bytes = 0;
  #window: CancelTimer | null = null;

  constructor(timing: Timing, onFlush: (deltas: readonly Delta[], tokens: number) => void) {
    this.#timing = timing;
    this.#onFlush = onFlush;
  }

  add(delta: Delta, tokens: number): void {
    this.#tokens += tokens;
    for (const piece of pieces(delta)) {
      this.#append(piece);
      if (this.#bytes >= batchBytes) this.#send();
    }
    if (this.#window === null) this.#sendAndWait();
  }

  /** Sends what is gathered and stops the timer. */
  flush(): void {
    this.#closeWindow();
    this.#send();
  }

  /** Forgets what is gathered and stops the timer. */
  discard(): void {
    this.#closeWindow();
    this.#deltas = [];
    this.#tokens = 0;
    this.#bytes = 0;
  }

  #append(delta: Delta): void {
    const last = this.#deltas.at(-1);
    if (
      last !== undefined &&
      isText(last) &&
      isText(delta) &&
      last.kind === delta.kind &&
      last.text.length < pieceChars
    ) {
      this.#deltas[this.#deltas.length - 1] = { kind: delta.kind, text: last.text + delta.text };
    } else {
      this.#deltas.push(delta);
    }
    this.#bytes += Buffer.byteLength(JSON.stringify(delta));
  }

  #sendAndWait(): void {
    this.#send();
    this.#window = this.#timing.after(untilBeatMs(this.#timing.monotonicMs()), () => {
      this.#window = null;
      if (this.#deltas.length > 0) this.#sendAndWait();
    });
  }

  #send(): void {
    if (this.#deltas.length === 0) return;
    const deltas = this.#deltas;
    const tokens = this.#tokens;
    this.#deltas = [];
    this.#tokens = 0;
    this.#bytes = 0;
    this.#onFlush(deltas, tokens);
  }

  #closeWindow(): void {
    this.#window?.();
    this.#window = null;
  }
}

/** Until the beat that is nearest to an interval from now. */
const untilBeatMs = (nowMs: number): number =>
  Math.round(nowMs / BATCH_INTERVAL_MS + 1) * BATCH_INTERVAL_MS - nowMs;

type TextDelta = Extract<Delta, { kind: "content" | "reasoning" }>;
const isText = (delta: Delta): delta is TextDelta => delta.kind === "content" || delta.kind === "reasoning";

/** Cuts long text into deltas that a frame can hold, never inside a surrogate pair. */
function* pieces(delta: Delta): Generator<Delta> {
  if (!isText(delta) || delta.text.length <= pieceChars) {
    yield delta;
    return;
  }
  let start = 0;
  while (start < delta.text.length) {
    let end = Math.min(start + pieceChars, delta.text.length);
    if (end < delta.text.length && isHighSurrogate(delta.text.charCodeAt(end - 1))) end -= 1;
    yield { kind: delta.kind, text: delta.text.slice(start, end) };
    start = end;
  }
}

const isHighSurrogate = (unit: number): boolean => unit >= 0xd800 && unit <= 0xdbff;
