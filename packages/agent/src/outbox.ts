import { INITIAL_CREDIT_BYTES } from "@coop/protocol";

/** Most unacknowledged output an attempt keeps, bytes; beyond it the engine is read no further. */
export const OUTBOX_CAP_BYTES = 4 * 1024 * 1024;

interface OutputFrame {
  readonly seq: number;
  readonly text: string;
  readonly bytes: number;
}

/**
 * Output frames of one attempt that the scheduler has not acknowledged. Pure: no I/O, no time.
 *
 * O1. Frames leave in the order of their seq, each once per connection.
 * O2. Bytes on their way stay within the credit, but for the one frame that crosses it.
 * O3. A frame is dropped only when it was acknowledged, or when the attempt's output is wanted no more.
 */
export class Outbox {
  /** Unacknowledged, oldest first; the first `#sent` of them are on their way. */
  #frames: OutputFrame[] = [];
  #sent = 0;
  #bytesOnTheirWay = 0;
  #bytesKept = 0;
  #creditBytes = INITIAL_CREDIT_BYTES;
  #lastSeq = 0;

  /** Seq of the newest frame, 0 before the first. */
  get lastSeq(): number {
    return this.#lastSeq;
  }

  get isFull(): boolean {
    return this.#bytesKept >= OUTBOX_CAP_BYTES;
  }

  /** Size of what is kept. */
  get keptBytes(): number {
    return this.#bytesKept;
  }

  /** Everything was handed to the present connection. */
  get isDrained(): boolean {
    return this.#sent === this.#frames.length;
  }

  /** Keeps a frame that `encode` writes for the seq it is given. */
  push(encode: (seq: number) => string): void {
    this.#lastSeq += 1;
    const text = encode(this.#lastSeq);
    const bytes = Buffer.byteLength(text);
    this.#frames.push({ seq: this.#lastSeq, text, bytes });
    this.#bytesKept += bytes;
  }

  /** The next frame that the credit allows to send, null when there is none. */
  next(): string | null {
    const frame = this.#frames[this.#sent];
    if (frame === undefined || this.#bytesOnTheirWay >= this.#creditBytes) return null;
    this.#sent += 1;
    this.#bytesOnTheirWay += frame.bytes;
    return frame.text;
  }

  /** Drops what is kept by the scheduler and sets the window beyond it. Older acknowledgements only set the window. */
  acknowledge(seq: number, creditBytes: number): void {
    this.#dropThrough(seq);
    this.#creditBytes = creditBytes;
  }

  /**
   * Begins anew on another connection, from `fromSeq` on.
   * @returns false when a frame from there on was already acknowledged and dropped
   */
  rewind(fromSeq: number): boolean {
    this.#dropThrough(fromSeq - 1);
    this.#sent = 0;
    this.#bytesOnTheirWay = 0;
    this.#creditBytes = INITIAL_CREDIT_BYTES;
    const oldestSeq = this.#frames[0]?.seq ?? this.#lastSeq + 1;
    return oldestSeq === fromSeq;
  }

  /** Drops all: nobody wants the output any more. */
  discard(): void {
    this.#dropThrough(this.#lastSeq);
  }

  #dropThrough(seq: number): void {
    let count = 0;
    for (const frame of this.#frames) {
      if (frame.seq > seq) break;
      this.#bytesKept -= frame.bytes;
      if (count < this.#sent) this.#bytesOnTheirWay -= frame.bytes;
      count += 1;
    }
    this.#frames.splice(0, count);
    this.#sent = Math.max(0, this.#sent - count);
  }
}
