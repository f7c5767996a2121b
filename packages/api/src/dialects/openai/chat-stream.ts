import { assert, OperationalError } from "@coop/core";
import type { JobId } from "@coop/core";
import { unreadable } from "../../attached-job.ts";
import type { Waited, OutputReader } from "../../attached-output.ts";
import type { EndEvent, Placed } from "../../fold.ts";
import { problemOfEnd } from "../../job-end.ts";
import { problemBody } from "../../problem.ts";
import type { ProblemError } from "../../problem.ts";
import { SSE_PING, sseEvent } from "../../sse.ts";
import { unplacedFor } from "../../what-keeps.ts";
import { createChunkWriter } from "./completion.ts";

/** What there was when the headers could no longer wait. */
export interface Opening {
  readonly placed: Placed | null;
  /** First output, or the end; silence when neither came in time. */
  readonly first: Waited;
}

/** Waits for the first output, the end or the patience's, whichever is first; being placed is none of them. */
export async function openStream(
  reader: OutputReader,
  patienceMs: number,
  nowMs: () => number,
): Promise<Opening> {
  const untilMs = nowMs() + patienceMs;
  let placed: Placed | null = null;
  for (;;) {
    const first = await reader.wait(Math.max(0, untilMs - nowMs()));
    if (first.kind !== "entry" || first.entry.event.kind !== "placed") return { placed, first };
    placed = first.entry.event;
  }
}

export interface ChatStreamOptions {
  readonly job: JobId;
  readonly createdMs: number;
  /** Named while nothing is placed yet. */
  readonly requestedModel: string;
  readonly includeUsage: boolean;
  readonly pingMs: number;
}

/** The frames of a streamed answer, from its opening to `[DONE]` or an error event. */
export async function* chatFrames(
  reader: OutputReader,
  opening: Opening,
  options: ChatStreamOptions,
): AsyncGenerator<string, void> {
  let { placed } = opening;
  let shown = false;
  const writer = createChunkWriter(
    options.job,
    options.createdMs,
    () => placed?.model ?? options.requestedModel,
    options.includeUsage,
  );

  for (let waited = opening.first; ; waited = await reader.wait(options.pingMs)) {
    if (waited.kind === "over") return;
    if (waited.kind === "unplaced") return yield problemFrame(unplacedFor(waited.keeping));
    if (waited.kind === "silence") yield SSE_PING;
    else if (waited.kind === "broken") return yield brokenFrame(waited.error, reader);
    else {
      const { event } = waited.entry;
      if (event.kind === "placed") {
        assert(!shown, "an answer that somebody saw begin never begins anew");
        placed = event;
      } else if (event.kind === "deltas") {
        shown = true;
        yield* writer.deltas(event.deltas).map((chunk) => sseEvent(JSON.stringify(chunk)));
      } else if (event.kind === "succeeded") {
        yield* writer.end(event.finishReason, event.usage).map((chunk) => sseEvent(JSON.stringify(chunk)));
        return yield sseEvent("[DONE]");
      } else return yield endFrame(event);
    }
  }
}

const problemFrame = ({ status, details }: ProblemError): string =>
  sseEvent(JSON.stringify(problemBody(status, details)));
const endFrame = (end: Exclude<EndEvent, { kind: "succeeded" }>): string => problemFrame(problemOfEnd(end));

function brokenFrame(error: unknown, reader: OutputReader): string {
  reader.close();
  if (!(error instanceof OperationalError)) throw error;
  return problemFrame(unreadable(error));
}
