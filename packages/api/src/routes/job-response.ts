import { isTerminal } from "@coop/core";
import type { JobRecord, OutputLog } from "@coop/core";
import type { ApiContext } from "../deps.ts";
import { chatCompletion, embeddingList } from "../dialects/openai/completion.ts";
import { problemOfEnd } from "../job-end.ts";
import { setPlacedHeaders } from "../job-headers.ts";
import { badRequest, ProblemError } from "../problem.ts";
import { readStoredOutput } from "../stored-output.ts";

/**
 * `GET /v1/jobs/:id/response`: what the job's endpoint of the OpenAI dialect would have answered, an answer or
 * the problem that kept it from one. `?encoding_format` is that of embeddings.
 */
export async function jobResponse(
  { output }: { readonly output: OutputLog },
  c: ApiContext,
  { spec, state }: JobRecord,
): Promise<Response> {
  const format = readFormat(c);
  if (!isTerminal(state)) throw notEnded(spec.id);
  const stored = await readStoredOutput(output, spec.id);
  if (stored === null) throw outputGone(spec.id);
  setPlacedHeaders(c, stored.placed);
  const { end } = stored;
  if (spec.member === c.get("caller").member.id) c.set("delivered", { job: spec.id, ended: () => true });
  if (end.kind !== "succeeded") throw problemOfEnd(end);
  return c.json(
    spec.endpoint === "chat"
      ? chatCompletion(spec.id, spec.submittedAtMs, stored, end)
      : embeddingList(stored, end.usage, format),
  );
}

function readFormat(c: ApiContext): "float" | "base64" {
  const format = c.req.query("encoding_format") ?? "float";
  if (format === "float" || format === "base64") return format;
  throw badRequest("encoding_format must be float or base64.", "encoding_format");
}

const notEnded = (job: string): ProblemError =>
  new ProblemError(409, {
    code: "job_not_ended",
    message: `Job ${job} has not ended yet. Look at GET /v1/jobs/${job}, or follow its events.`,
    retryAfterS: 1,
  });

const outputGone = (job: string): ProblemError =>
  new ProblemError(410, {
    code: "output_gone",
    message: `The output of job ${job} is no longer kept.`,
    repeat: false,
  });
