import type { Prefix } from "../world/job.ts";
import { createStream } from "../world/random-stream.ts";
import type { Request } from "./request.ts";

/**
 * `count` requests of a trace in a row, from where chance says; times begin at 0. A trace that is too short is gone
 * through again and again, as if each day were like it, with conversations of its own.
 */
export function windowOf(trace: readonly Request[], count: number, seed: number): readonly Request[] {
  const last = trace.at(-1);
  if (last === undefined) return [];
  const room = trace.length - count;
  const offset = room > 0 ? Math.floor(createStream(seed, "window").next() * room) : 0;
  const lapS = last.atS + last.atS / Math.max(1, trace.length - 1);
  const startS = trace[offset]?.atS ?? 0;
  return Array.from({ length: count }, (_, index) => {
    const lap = Math.floor((offset + index) / trace.length);
    const request = trace[(offset + index) % trace.length] ?? last;
    return { ...(lap === 0 ? request : ofLap(request, lap)), atS: request.atS + lap * lapS - startS };
  });
}

/** What a prompt shares, it shares within its lap. */
const ofLap = (request: Request, lap: number): Request => ({
  ...request,
  session: request.session === null ? null : `${request.session}/${lap}`,
  prefix: request.prefix === null ? null : movedPrefix(request.prefix, lap),
});

/** A whole number that no other lap's number becomes. */
const moved = (number: number, lap: number): number => number + lap * LAP_NUMBERS;
const LAP_NUMBERS = 2 ** 36;

const movedPrefix = (prefix: Prefix, lap: number): Prefix =>
  prefix.kind === "blocks"
    ? { kind: "blocks", blocks: prefix.blocks.map((block) => moved(block, lap)) }
    : { kind: "conversation", conversation: moved(prefix.conversation, lap) };
