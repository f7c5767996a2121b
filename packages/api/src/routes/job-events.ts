import { formatPosition, isTerminal, OperationalError, parsePosition, START_OF_OUTPUT } from "@coop/core";
import type { Clock, JobRecord, MemberStore, OutputLog, OutputPosition } from "@coop/core";
import { openOutput } from "../attached-output.ts";
import type { OutputReader } from "../attached-output.ts";
import { refusalOf } from "../authenticate.ts";
import type { ApiContext, ApiDefaults, Caller } from "../deps.ts";
import { badRequest, problemBody } from "../problem.ts";
import type { ProblemError } from "../problem.ts";
import { SSE_HEADERS, SSE_PING, sseEvent, sseStream } from "../sse.ts";

export interface JobEventsDeps {
  readonly clock: Clock;
  readonly output: OutputLog;
  readonly members: MemberStore;
  readonly defaults: ApiDefaults;
}

/**
 * `GET /v1/jobs/:id/events`: a job's output as server-sent events, from the start or after a position
 * (`Last-Event-ID`, or `?after`), until its end, or until the key that opened it no longer serves. Going away changes nothing for the job.
 */
export async function jobEvents(deps: JobEventsDeps, c: ApiContext, record: JobRecord): Promise<Response> {
  const after = readAfter(c);
  const nothingLeft =
    isTerminal(record.state) && (await deps.output.read(record.spec.id, after)).length === 0;
  // 204 is how a server tells an EventSource to stop coming back.
  if (nothingLeft) return c.body(null, 204);
  const { pingMs, stalledReaderMs } = deps.defaults;
  const reader = openOutput(deps.output, record.spec.id, after);
  if (record.spec.member === c.get("caller").member.id)
    c.set("delivered", { job: record.spec.id, ended: reader.ended });
  const { body, ended } = sseStream(
    eventFrames(reader, pingMs, watchKey(deps, c.get("caller"))),
    reader.close,
    stalledReaderMs,
  );
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

/** Asks the store again, every few seconds of an open stream, whether its key still serves. */
function watchKey({ clock, members, defaults }: JobEventsDeps, caller: Caller) {
  let askedAtMs = clock.now();
  return async (): Promise<ProblemError | null> => {
    const nowMs = clock.now();
    if (nowMs - askedAtMs < defaults.followEveryMs) return null;
    try {
      const known = await members.key(caller.key.id);
      askedAtMs = nowMs;
      return refusalOf(known ?? caller, nowMs);
    } catch (error) {
      // The output comes from the same store, and says so if it stays away.
      if (error instanceof OperationalError) return null;
      throw error;
    }
  };
}

async function* eventFrames(
  reader: OutputReader,
  pingMs: number,
  refusal: () => Promise<ProblemError | null>,
): AsyncGenerator<string, void> {
  yield SSE_PING;
  for (;;) {
    const waited = await reader.wait(pingMs);
    if (waited.kind === "over" || waited.kind === "unplaced") return;
    const refused = await refusal();
    if (refused !== null) {
      reader.close();
      yield sseEvent(JSON.stringify(problemBody(refused.status, refused.details)), { event: "error" });
      return;
    }
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
