import { assertNever } from "@coop/core";
import type { EndEvent } from "./fold.ts";
import { ProblemError } from "./problem.ts";

type BadEnd = Exclude<EndEvent, { kind: "succeeded" }>;

/** What a member hears of a job that did not succeed. */
export function problemOfEnd(end: BadEnd): ProblemError {
  switch (end.kind) {
    case "failed":
      return problemOfFailure(end.code, end.message);
    case "cancelled":
      return new ProblemError(409, {
        code: "job_cancelled",
        message:
          end.reason === "revoked"
            ? "The job was cancelled: its key was revoked."
            : "The job was cancelled before it finished.",
        repeat: false,
      });
    case "expired":
      return new ProblemError(504, {
        code: "job_expired",
        message: `The job expired before it finished: ${end.reason}. Send it to POST /v1/jobs to let it wait longer, or ask for a lower tier.`,
        repeat: false,
      });
    default:
      return assertNever(end);
  }
}

const OWN_FAULTS = {
  "bad-request": "invalid_request",
  "context-overflow": "context_length_exceeded",
} as const;

function problemOfFailure(code: string, message: string): ProblemError {
  const own = code === "bad-request" || code === "context-overflow" ? OWN_FAULTS[code] : undefined;
  if (own !== undefined) return new ProblemError(400, { code: own, message, param: "messages" });
  return new ProblemError(code === "busy" || code === "node-lost" || code === "shutdown" ? 503 : 502, {
    code: code.replaceAll("-", "_"),
    message: `The job failed (${code}): ${message}`,
    retryAfterS: 1,
  });
}
