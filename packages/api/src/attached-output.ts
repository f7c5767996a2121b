import { isTerminalEvent, OperationalError, START_OF_OUTPUT } from "@coop/core";
import type { JobId, OutputEntry, OutputLog } from "@coop/core";
import type { Following } from "./following.ts";
import { whatKeeps } from "./what-keeps.ts";
import type { NodeReasons, WhatKeepsDeps } from "./what-keeps.ts";

/** What came of waiting for output. */
export type Waited =
  | { readonly kind: "entry"; readonly entry: OutputEntry }
  /** Nothing within the time. */
  | { readonly kind: "silence" }
  /** An attached job found no node in the time that members wait; it is no longer followed. */
  | { readonly kind: "unplaced"; readonly keeping: readonly NodeReasons[] }
  /** After the terminal entry, or because the reader closed. */
  | { readonly kind: "over" }
  /** The store is away, or the log ended without an end. */
  | { readonly kind: "broken"; readonly error: unknown };

/** Output that is read entry by entry, with a limit on the patience. */
export interface OutputReader {
  /** @param patienceMs Infinity waits for as long as it takes */
  readonly wait: (patienceMs: number) => Promise<Waited>;
  /** Stops reading at once; may be called again. */
  readonly close: () => void;
  /** Whether the terminal entry was read. */
  readonly ended: () => boolean;
}

/** Reads a job's output from a position. `onClose` hears once whether the terminal entry had come. */
export function openOutput(
  output: OutputLog,
  job: JobId,
  after = START_OF_OUTPUT,
  onClose: (ended: boolean) => void = () => undefined,
): OutputReader {
  const abort = new AbortController();
  const entries = output.follow(job, after, abort.signal)[Symbol.asyncIterator]();
  let waiting: Promise<Waited> | null = null;
  let ended = false;

  const close = (): void => {
    if (abort.signal.aborted) return;
    // A reason of its own spares the error with a stack that the platform would make.
    abort.abort("closed");
    onClose(ended);
  };

  const isClosed = (): boolean => abort.signal.aborted;
  const next = async (): Promise<Waited> => {
    if (isClosed()) return { kind: "over" };
    try {
      const step = await entries.next();
      if (isClosed()) return { kind: "over" };
      if (step.done === true) {
        return {
          kind: "broken",
          error: new OperationalError("output-unavailable", "The job's output ended without an end.", {
            retriable: true,
          }),
        };
      }
      ended = isTerminalEvent(step.value.event);
      if (ended) close();
      return { kind: "entry", entry: step.value };
    } catch (error) {
      return { kind: "broken", error };
    }
  };

  const wait = async (patienceMs: number): Promise<Waited> => {
    waiting ??= next();
    const waited = await withPatience(waiting, patienceMs);
    if (waited.kind !== "silence") waiting = null;
    return waited;
  };

  return { wait, close, ended: () => ended };
}

async function withPatience(waiting: Promise<Waited>, patienceMs: number): Promise<Waited> {
  if (patienceMs === Infinity) return waiting;
  let timer: NodeJS.Timeout | undefined;
  const silence = new Promise<Waited>((resolve) => {
    timer = setTimeout(() => resolve({ kind: "silence" }), patienceMs);
  });
  try {
    return await Promise.race([waiting, silence]);
  } finally {
    clearTimeout(timer);
  }
}

/** Follows an attached job for one request: when the member goes before the end, the job is cancelled. */
export function openAttached(
  deps: WhatKeepsDeps & {
    readonly output: OutputLog;
    readonly following: Following;
    readonly attachedWaitMs: number;
  },
  job: JobId,
  repeated: boolean,
  member: AbortSignal,
): OutputReader {
  const follower = deps.following.enter(job, repeated);
  const { promise: lapsed, resolve: lapse } = Promise.withResolvers<Waited>();
  const giveUp = async (): Promise<Waited> => {
    try {
      return { kind: "unplaced", keeping: await whatKeeps(deps, job) };
    } catch (error) {
      if (!(error instanceof OperationalError)) return { kind: "broken", error };
      return { kind: "unplaced", keeping: [] };
    }
  };
  const timer = setTimeout(() => lapse(giveUp()), deps.attachedWaitMs);
  let waits = true;
  const reader = openOutput(deps.output, job, START_OF_OUTPUT, (ended) => {
    clearTimeout(timer);
    member.removeEventListener("abort", reader.close);
    follower.leave(ended ? "ended" : waits ? "unfollowed" : "unplaced");
  });
  if (member.aborted) reader.close();
  else member.addEventListener("abort", reader.close);

  let taken = false;
  const wait = async (patienceMs: number): Promise<Waited> => {
    if (taken) return reader.wait(patienceMs);
    const waited = await Promise.race([reader.wait(patienceMs), lapsed]);
    taken = waited.kind === "entry";
    if (waited.kind === "unplaced") {
      waits = false;
      reader.close();
    }
    return waited;
  };
  return { wait, close: reader.close, ended: reader.ended };
}
