import type { LineEnd } from "./journal.ts";
import type { LineOutcome } from "./run-line.ts";
import type { Run } from "./run.ts";

/** Writing what became of a line. Pure: no I/O. */

/** A line of the results, in the shape of OpenAI's batch output. */
export function resultLine(run: Run, line: number, customId: string, outcome: LineOutcome): string {
  const requestId = outcome.kind === "refused" ? `${run.id}-${line}` : outcome.job.id;
  const answered = (status: number, body: unknown) => ({
    response: { status_code: status, request_id: requestId, body },
    error: null,
  });
  const rest = (): object => {
    switch (outcome.kind) {
      case "answered":
        return answered(200, outcome.body);
      case "refused":
        return answered(outcome.status, outcome.problem);
      case "unsuccessful":
        return {
          response: null,
          error: outcome.job.error ?? { code: outcome.job.state, message: "The co-op says no more." },
        };
    }
  };
  return JSON.stringify({ id: `batch_req_${requestId}`, custom_id: customId, ...rest() });
}

/** How a line ended, for the journal. */
export function lineEnd(outcome: LineOutcome): LineEnd {
  if (outcome.kind === "refused") {
    return {
      job: null,
      failure: outcome.problem.error.code ?? `status ${outcome.status}`,
      node: null,
      model: null,
      tier: null,
      promptTokens: 0,
      outputTokens: 0,
    };
  }
  const { job } = outcome;
  return {
    job: job.id,
    failure: outcome.kind === "answered" ? null : (job.error?.code ?? job.state),
    node: job.nodeName ?? job.node,
    model: job.model,
    tier: job.tier,
    promptTokens: job.promptTokens ?? 0,
    outputTokens: job.outputTokens,
  };
}
