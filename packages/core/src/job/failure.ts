/** Why an attempt failed, as its agent classed it. */
export const FAILURE_CLASSES = [
  "engine-unreachable",
  "engine-error",
  "busy",
  "model-missing",
  "out-of-memory",
  "load-timeout",
  "first-token-timeout",
  "idle-timeout",
  "total-timeout",
  "truncated",
  "model-output",
  "context-overflow",
  "bad-request",
  "not-allowed",
  "node-lost",
  "shutdown",
] as const;
export type FailureClass = (typeof FAILURE_CLASSES)[number];

/** What to do with a job after a failed attempt that delivered nothing. */
export interface FailurePolicy {
  /** Another attempt may succeed. */
  readonly retry: boolean;
  /** The failed node is not tried again for this job. */
  readonly excludeNode: boolean;
  /** The attempt counts against the limit of attempts. */
  readonly counts: boolean;
}

/** A job is tried at most this often before it fails (Google SRE: three attempts per request). */
export const MAX_ATTEMPTS = 3;

/** The policy per class: the node's fault moves on, the request's own fault ends, a full queue just waits. */
export function failurePolicy(failure: FailureClass): FailurePolicy {
  switch (failure) {
    case "busy":
    case "shutdown":
      return { retry: true, excludeNode: failure === "shutdown", counts: false };
    case "bad-request":
    case "context-overflow":
      return { retry: false, excludeNode: false, counts: true };
    case "model-output":
      return { retry: true, excludeNode: false, counts: true };
    case "engine-unreachable":
    case "engine-error":
    case "model-missing":
    case "out-of-memory":
    case "load-timeout":
    case "first-token-timeout":
    case "idle-timeout":
    case "total-timeout":
    case "truncated":
    case "not-allowed":
    case "node-lost":
      return { retry: true, excludeNode: true, counts: true };
  }
}
