import type { OutputEntry, OutputPosition } from "../job/output.ts";
import type { JobId } from "../terms.ts";

/** A job's numbered output, readable while its retention lasts. */
export interface OutputLog {
  /** Entries after a position, oldest first. */
  read(job: JobId, after: OutputPosition): Promise<readonly OutputEntry[]>;
  /**
   * Entries after a position and then live ones, ending after the terminal entry, on abort, or (throwing
   * an OperationalError `output-unavailable`) when the store is away for good.
   */
  follow(job: JobId, after: OutputPosition, signal: AbortSignal): AsyncIterable<OutputEntry>;
}
