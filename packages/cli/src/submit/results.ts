import {
  appendFileSync,
  closeSync,
  createReadStream,
  fdatasyncSync,
  ftruncateSync,
  openSync,
  readSync,
  rmSync,
  unlinkSync,
} from "node:fs";
import { z } from "zod";

/**
 * The results of a run: a file in the order of the input that grows as soon as all before a line has ended.
 * R1: every line that is there is whole and final. R2: results that come early wait in a nameless file, not in
 * memory; one that is lost in a crash is asked for again.
 */

const resultSchema = z.object({ custom_id: z.string() });
const LINE_FEED = 0x0a;

/** How much of a results file can be kept. */
export interface KeptResults {
  /** Results, from the first on. */
  readonly lines: number;
  readonly bytes: number;
}

/**
 * The longest beginning of a results file that fits what is expected of it.
 * @param fits whether a result, by its custom_id, is that of the line at an index, and final
 */
export async function keptResults(
  path: string,
  fits: (index: number, customId: string) => boolean,
): Promise<KeptResults> {
  let kept: KeptResults = { lines: 0, bytes: 0 };
  for await (const line of wholeLines(path)) {
    const customId = customIdOf(line.toString("utf8"));
    if (customId === null || !fits(kept.lines, customId)) break;
    kept = { lines: kept.lines + 1, bytes: kept.bytes + line.length + 1 };
  }
  return kept;
}

async function* wholeLines(path: string): AsyncGenerator<Buffer> {
  let pieces: Buffer[] = [];
  for await (const chunk of createReadStream(path)) {
    let rest = Buffer.from(chunk);
    for (let feed = rest.indexOf(LINE_FEED); feed !== -1; feed = rest.indexOf(LINE_FEED)) {
      yield Buffer.concat([...pieces, rest.subarray(0, feed)]);
      pieces = [];
      rest = rest.subarray(feed + 1);
    }
    pieces.push(rest);
  }
}

function customIdOf(text: string): string | null {
  try {
    return resultSchema.safeParse(JSON.parse(text)).data?.custom_id ?? null;
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

export interface Results extends Disposable {
  /** Takes the result of the line at an index, in any order. */
  put(index: number, result: string): void;
}

/** At most this much is lost when the machine itself goes down, ms. */
const SYNC_EVERY_MS = 1_000;

/**
 * Opens the results behind what is kept of them.
 * @param onNext told of each line just before its result is written
 */
export function openResults(path: string, kept: KeptResults, onNext: (index: number) => void): Results {
  const file = openSync(path, "a", 0o600);
  ftruncateSync(file, kept.bytes);
  const early = openEarly(`${path}.early`);
  let next = kept.lines;
  let syncedMs = performance.now();

  const write = (result: string): void => {
    onNext(next);
    appendFileSync(file, `${result}\n`);
    next += 1;
  };
  return {
    put(index, result) {
      if (index !== next) {
        early.put(index, result);
        return;
      }
      write(result);
      for (let waiting = early.take(next); waiting !== null; waiting = early.take(next)) write(waiting);
      const nowMs = performance.now();
      if (nowMs - syncedMs < SYNC_EVERY_MS) return;
      fdatasyncSync(file);
      syncedMs = nowMs;
    },
    [Symbol.dispose]() {
      fdatasyncSync(file);
      closeSync(file);
      early[Symbol.dispose]();
    },
  };
}

interface EarlyResults extends Disposable {
  put(index: number, result: string): void;
  /** Null when it has not come. */
  take(index: number): string | null;
}

/** A file without a name, so that nothing is left of it however the program ends. */
function openEarly(path: string): EarlyResults {
  rmSync(path, { force: true });
  const file = openSync(path, "ax+", 0o600);
  unlinkSync(path);
  const places = new Map<number, { readonly start: number; readonly length: number }>();
  let end = 0;
  return {
    put(index, result) {
      const length = Buffer.byteLength(result);
      appendFileSync(file, result);
      places.set(index, { start: end, length });
      end += length;
    },
    take(index) {
      const place = places.get(index);
      if (place === undefined) return null;
      const bytes = Buffer.alloc(place.length);
      readSync(file, bytes, 0, place.length, place.start);
      places.delete(index);
      if (places.size === 0) {
        ftruncateSync(file, 0);
        end = 0;
      }
      return bytes.toString("utf8");
    },
    [Symbol.dispose]: () => closeSync(file),
  };
}
