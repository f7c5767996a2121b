import { createStream } from "../world/random-stream.ts";
import type { Request } from "./request.ts";

/**
 * `count` requests of a trace in a row, from where chance says; times begin at 0. A trace that is too short is gone
 * through again and again, as if each day were like it.
 */
export function windowOf(trace: readonly Request[], count: number, seed: number): readonly Request[] {
  const last = trace.at(-1);
  if (last === undefined) return [];
  const offset =
    count < trace.length ? Math.floor(createStream(seed, "window").next() * (trace.length - count)) : 0;
  const lapS = last.atS + last.atS / Math.max(1, trace.length - 1);
  const startS = trace[offset]?.atS ?? 0;
  return Array.from({ length: count }, (_, index) => {
    const lap = Math.floor((offset + index) / trace.length);
    const request = trace[(offset + index) % trace.length] ?? last;
    return { ...request, atS: request.atS + lap * lapS - startS };
  });
}
