import { formatPosition, isTerminal, OperationalError, parsePosition, START_OF_OUTPUT } from "@coop/core";
import type { JobRecord, OutputLog, OutputPosition } from "@coop/core";
import { openOutput } from "../attached-output.ts";
import type { OutputReader } from "../attached-output.ts";
import type { ApiContext, ApiDefaults } from "../deps.ts";
import { badRequest, problemBody } from "../problem.ts";
import { SSE_HEADERS, SSE_PING, sseEvent, sseStream } from "../sse.ts";

/**
 * `GET /v1/jobs/:id/events`: a job's output as server-sent events, from the start or after a position
 * (`Last-Event-ID`, or `?after`), until its end. Going away changes nothing for the job.
 */
export async function jobEvents(
  deps: { readonly output: OutputLog; readonly defaults: ApiDefaults },
  c: ApiContext,
  record: JobRecord,
): Promise<Response> {
  const after = readAfter(c);
  const nothingLeft =
    isTerminal(record.state) && (await deps.output.read(record.spec.id, after)).length === 0;
  // 204 is how a server tells an EventSource to stop coming back.
  if (nothingLeft) return c.body(null, 204);
  const { pingMs, stalledReaderMs } = deps.defaults;
  const reader = openOutput(deps.output, record.spec.id, after);
  const { body, ended } = sseStream(eventFrames(reader, pingMs), reader.close, stalledReaderMs);
  c.set("streamEnded", ended);
  return c.body(body, 200, SSE_HEADERS);
}

function readAfter(c: ApiContext): OutputPosition {
  const header = c.req.header("last-event-id");
  const text = header ?? c.req.query("after");
  if (text === undefined || text === "") return START_OF_OUTPUT;
  const position = parsePosition(text);
  if (position === null) {
    const param = header === undefined ? "after" : "Last-Event-ID";
    throw badRequest(`${param} must be a position such as 1-12, as the events' ids are.`, param);
  }
  return position;
}

async function* eventFrames(reader: OutputReader, pingMs: number): AsyncGenerator<string, void> {
  yield SSE_PING;
  for (;;) {
    const waited = await reader.wait(pingMs);
    if (waited.kind === "over" || waited.kind === "unplaced") return;
    if (waited.kind === "silence") yield SSE_PING;
    else if (waited.kind === "entry") {
      const { position, event } = waited.entry;
      yield sseEvent(JSON.stringify(event), { event: event.kind, id: formatPosition(position) });
    } else {
      reader.close();
      if (!(waited.error instanceof OperationalError)) throw waited.error;
      const message = "The output can no longer be read. Come again with the last event's id.";
      yield sseEvent(JSON.stringify(problemBody(503, { code: waited.error.code, message })), {
        event: "error",
      });
      return;
    }
  }
}
