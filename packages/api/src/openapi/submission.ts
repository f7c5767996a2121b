import type { Parameter } from "./operation.ts";

/** Headers of an answer that says where its job ran. */
export const PLACED_HEADERS = {
  "x-coop-job": "The job's id.",
  "x-coop-node": "Name of the node that served it.",
  "x-coop-model": "Model that served it.",
  "x-coop-tier": "Tier of that model on that node.",
  "x-coop-truncated": "`default-limit` when the co-op's own limit on output cut the answer.",
  "x-coop-ignored-fields": "Fields of the request that changed nothing.",
};

/** Headers of every answer and refusal that was decided by the member's limits; none for what has no limit. */
export const LIMIT_HEADERS = {
  "x-ratelimit-limit-tokens": "Tokens of the month, credit included.",
  "x-ratelimit-remaining-tokens": "Of these, what is neither used nor held.",
  "x-ratelimit-reset-tokens": "Time until the next month, such as 239h0m0s.",
  "x-ratelimit-limit-requests": "Requests a minute.",
  "x-ratelimit-remaining-requests": "Of these, what is left of this minute.",
  "x-ratelimit-reset-requests": "Time until the next minute, such as 12s.",
};

/** What a request that becomes a job may say in its headers. */
export const SUBMISSION_HEADERS: readonly Parameter[] = [
  {
    in: "header",
    name: "X-Coop-Privacy",
    description:
      "Where it may run: the member's own nodes, the co-op's nodes, or models that a cloud serves too. The key's default when left out.",
    values: ["own", "coop", "any"],
  },
  {
    in: "header",
    name: "Idempotency-Key",
    description: "A request with a key that was used before, and the same body, gets that job's answer.",
  },
  {
    in: "header",
    name: "x-session-affinity",
    description: "Name of the conversation, which then stays on one node where that is faster.",
  },
];

export const SUBMISSION_PROBLEMS = [400, 401, 404, 409, 410, 413, 422, 429, 500, 503] as const;
