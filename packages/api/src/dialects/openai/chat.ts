import { OperationalError } from "@coop/core";
import { chatCompletionRequestSchema } from "@coop/protocol";
import type { ChatCompletionRequest } from "@coop/protocol";
import { awaitWhole, clientGone, startAttached, unreadable } from "../../attached-job.ts";
import type { AttachedDeps, AttachedJob } from "../../attached-job.ts";
import type { ApiContext } from "../../deps.ts";
import { problemOfEnd } from "../../job-end.ts";
import { setPlacedHeaders } from "../../job-headers.ts";
import { readJson, readRequest } from "../../request-body.ts";
import { SSE_HEADERS, sseStream } from "../../sse.ts";
import { unplacedFor } from "../../what-keeps.ts";
import { chatWork } from "./chat-request.ts";
import { chatFrames, openStream } from "./chat-stream.ts";
import { chatCompletion } from "./completion.ts";

/** `POST /v1/chat/completions`. */
export const chatCompletions =
  (deps: AttachedDeps) =>
  async (c: ApiContext): Promise<Response> => {
    const createdMs = deps.clock.now();
    const body = await readJson(c);
    const request = readRequest(c, chatCompletionRequestSchema, body.value);
    const attached = await startAttached(deps, c, chatWork(request), body.text, request.stream === true);
    if (request.stream === true) return streamAnswer(deps, c, request, attached, createdMs);
    const whole = await awaitWhole(c, attached);
    return whole === null
      ? clientGone()
      : c.json(chatCompletion(attached.job, createdMs, whole.output, whole.end));
  };

/** A refusal or an early failure keeps its true status: no header goes out before the first output. */
async function streamAnswer(
  deps: AttachedDeps,
  c: ApiContext,
  request: ChatCompletionRequest,
  { job, reader }: AttachedJob,
  createdMs: number,
): Promise<Response> {
  const { headersHeldMs, pingMs, stalledReaderMs } = deps.defaults;
  const opening = await openStream(reader, headersHeldMs, () => deps.clock.now());
  setPlacedHeaders(c, opening.placed);
  const { first } = opening;
  if (first.kind === "over") return clientGone();
  if (first.kind === "unplaced") throw unplacedFor(first.keeping);
  if (first.kind === "broken") {
    reader.close();
    throw first.error instanceof OperationalError ? unreadable(first.error) : first.error;
  }
  if (first.kind === "entry") {
    const { event } = first.entry;
    if (event.kind === "failed" || event.kind === "cancelled" || event.kind === "expired")
      throw problemOfEnd(event);
  }
  const frames = chatFrames(reader, opening, {
    job,
    createdMs,
    requestedModel: request.model,
    includeUsage: request.stream_options?.include_usage === true,
    pingMs,
  });
  const { body, ended } = sseStream(frames, reader.close, stalledReaderMs);
  c.set("streamEnded", ended);
  return c.body(body, 200, SSE_HEADERS);
}
