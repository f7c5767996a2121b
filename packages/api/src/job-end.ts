import { assertNever } from "@coop/core";
import type { FailureClass } from "@coop/core";
import type { EndEvent } from "./fold.ts";
import { ProblemError } from "./problem.ts";

const CANCELLED = {
  member: "The job was cancelled before it finished.",
  unfollowed:
    "The job was cancelled because nobody followed it any more. To ask again, use a new Idempotency-Key.",
} as const;

/** What a member hears who waited for a node as long as an open connection does. */
export const unplaced = (): ProblemError =>
  new ProblemError(504, {
    code: "job_expired",
    message:
      "No node became free for this in the time that an open connection waits. " +
      "Send it to POST /v1/jobs to let it wait longer, or ask for a lower tier.",
    repeat: false,
  });

/** What a member hears whose key stopped serving while the server worked for it. @param what became of the work */
export const revokedMeanwhile = (what: string): ProblemError =>
  new ProblemError(401, {
    code: "revoked_api_key",
    param: "Authorization",
    message: `The API key was revoked, or its member disabled, meanwhile. ${what} Ask an operator of this co-op.`,
    repeat: false,
  });

type BadEnd = Exclude<EndEvent, { kind: "succeeded" }>;

/** What a member hears of a job that did not succeed. */
export function problemOfEnd(end: BadEnd): ProblemError {
  switch (end.kind) {
    case "failed":
      return problemOfFailure(end.code, end.message);
    case "cancelled":
      if (end.reason === "unplaced") return unplaced();
      if (end.reason === "server-stopped")
        return new ProblemError(503, {
          code: "server_stopped",
          message:
            "The server stopped before the job finished. Ask again once it is back, with a new Idempotency-Key.",
          retryAfterS: 2,
        });
      if (end.reason === "revoked") return revokedMeanwhile("The job was cancelled.");
      return new ProblemError(409, {
        code: "job_cancelled",
        message: CANCELLED[end.reason],
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

/** Failures of the request itself, as the dialect names them. */
const OWN_FAULTS: ReadonlyMap<string, string> = new Map<FailureClass, string>([
  ["bad-request", "invalid_request"],
  ["context-overflow", "context_length_exceeded"],
]);

/** Failures that the same request may not meet again. The others were met on every node that was tried. */
const PASSING: ReadonlySet<string> = new Set<FailureClass>(["busy", "node-lost", "shutdown"]);

function problemOfFailure(code: string, message: string): ProblemError {
  const own = OWN_FAULTS.get(code);
  if (own !== undefined) return new ProblemError(400, { code: own, message, param: "messages" });
  const passing = PASSING.has(code);
  return new ProblemError(passing ? 503 : 502, {
    code: code.replaceAll("-", "_"),
    message: `The job failed (${code}): ${message}`,
    ...(passing ? { retryAfterS: 1 } : { repeat: false }),
  });
}
