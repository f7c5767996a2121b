import { START_OF_OUTPUT } from "@coop/core";
import type { JobId, OutputLog } from "@coop/core";
import { createFold } from "./fold.ts";
import type { EndEvent, FoldedOutput } from "./fold.ts";

/** The output of a job that ended. */
export interface StoredOutput extends FoldedOutput {
  readonly end: EndEvent;
}

/** A job's whole output; null while it has no end, and when it is no longer kept. */
export async function readStoredOutput(log: OutputLog, job: JobId): Promise<StoredOutput | null> {
  const fold = createFold();
  for (const { event } of await log.read(job, START_OF_OUTPUT)) fold.take(event);
  const { end, ...output } = fold.result();
  return end === null ? null : { ...output, end };
}
