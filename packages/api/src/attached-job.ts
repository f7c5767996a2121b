import { isTerminal, OperationalError, START_OF_OUTPUT } from "@coop/core";
import type { JobDesk, OutputLog } from "@coop/core";
import type { Admission, Admitted } from "./admission.ts";
import { openAttached } from "./attached-output.ts";
import type { OutputReader } from "./attached-output.ts";
import type { ApiContext, ApiDefaults } from "./deps.ts";
import { createFold } from "./fold.ts";
import type { EndEvent, FoldedOutput } from "./fold.ts";
import type { Following } from "./following.ts";
import { problemOfEnd } from "./job-end.ts";
import { admissionHeaders, setPlacedHeaders } from "./job-headers.ts";
import { ProblemError } from "./problem.ts";
import { readOptions } from "./request-options.ts";
import type { Work } from "./submission.ts";
import { unplacedFor } from "./what-keeps.ts";
import type { WhatKeepsDeps } from "./what-keeps.ts";

/** What every endpoint needs whose answer is its job's output. */
export interface AttachedDeps extends WhatKeepsDeps {
  readonly output: OutputLog;
  readonly following: Following;
  readonly admit: Admission;
  readonly defaults: ApiDefaults;
}

export interface AttachedJob extends Admitted {
  readonly reader: OutputReader;
}

/**
 * Admits a request's work and follows it; a member who goes takes the job along.
 * @param streamed the member sees output as it comes
 */
export async function startAttached(
  deps: AttachedDeps,
  c: ApiContext,
  work: Work,
  bodyText: string,
  streamed: boolean,
): Promise<AttachedJob> {
  const { privacy, session, idempotency } = readOptions(c, bodyText, work.conversation);
  const admitted = await deps.admit(
    c.get("caller"),
    {
      work,
      privacy,
      session,
      idempotency,
      band: "interactive",
      attachment: "attached",
      streamed,
      deadlineMs: deps.clock.now() + deps.defaults.attachedDeadlineMs,
      metadata: work.labels,
    },
    admissionHeaders(c),
  );
  if (admitted.repeated) await refuseForgotten(deps, admitted);
  const { job, repeated } = admitted;
  const reader = openAttached({ ...deps, ...deps.defaults }, job, repeated, c.req.raw.signal);
  c.set("delivered", { job, ended: reader.ended });
  return { ...admitted, reader };
}

/** A job that ended keeps its output only for a while. */
async function refuseForgotten(
  { desk, output }: { readonly desk: JobDesk; readonly output: OutputLog },
  { job }: Admitted,
): Promise<void> {
  const record = await desk.read(job);
  if (record !== null && !isTerminal(record.state)) return;
  if (record !== null && (await output.read(job, START_OF_OUTPUT)).length > 0) return;
  throw new ProblemError(410, {
    code: "output_gone",
    param: "Idempotency-Key",
    message: `This Idempotency-Key belongs to job ${job}, whose output is no longer kept. Use a new key.`,
    repeat: false,
  });
}

export interface SucceededOutput {
  readonly output: FoldedOutput;
  readonly end: Extract<EndEvent, { kind: "succeeded" }>;
}

/**
 * Waits for the whole output of a job and sets the headers that say where it ran; null when the member went.
 * @throws ProblemError when it did not succeed
 */
export async function awaitWhole(
  c: ApiContext,
  { reader, limitedBy }: AttachedJob,
): Promise<SucceededOutput | null> {
  const fold = createFold();
  for (;;) {
    const waited = await reader.wait(Infinity);
    if (waited.kind === "entry") fold.take(waited.entry.event);
    else if (waited.kind === "broken") {
      reader.close();
      throw waited.error instanceof OperationalError ? unreadable(waited.error) : waited.error;
    } else if (waited.kind === "unplaced") throw unplacedFor(waited.keeping);
    else if (waited.kind === "over") break;
  }
  const output = fold.result();
  setPlacedHeaders(c, output.placed);
  const { end } = output;
  if (end === null) return null;
  if (end.kind !== "succeeded") throw problemOfEnd(end);
  if (end.finishReason === "length" && limitedBy === "default") c.header("x-coop-truncated", "default-limit");
  return { output, end };
}

/** Status of an answer that nobody reads: the member closed the connection. */
export const clientGone = (): Response => new Response(null, { status: 499 });

export const unreadable = (error: OperationalError): ProblemError =>
  new ProblemError(503, {
    code: error.code,
    message: "The output can no longer be read; the job may have ended. Try again in a few seconds.",
    retryAfterS: 2,
  });
