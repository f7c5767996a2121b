import { JOIN_PATH } from "@coop/protocol";
import type { SchemaName } from "./schemas.ts";

/** One thing that the HTTP surface does. */
export interface Operation {
  readonly method: "get" | "post" | "delete";
  /** With `{name}` for its parts that vary. */
  readonly path: string;
  readonly id: string;
  readonly group: "Inference" | "Jobs" | "Fleet" | "Administration" | "Nodes" | "Server";
  readonly summary: string;
  readonly description?: string;
  readonly access: "anyone" | "member" | "operator";
  readonly parameters?: readonly Parameter[];
  readonly request?: SchemaName;
  readonly answers: readonly Answer[];
  /** Statuses of refusals and failures, which all have a problem as their body. */
  readonly problems: readonly number[];
}

export interface Parameter {
  readonly in: "path" | "query" | "header";
  readonly name: string;
  readonly description: string;
  readonly values?: readonly string[];
}

export interface Answer {
  readonly status: number;
  readonly description: string;
  /** Several shapes of one type: any of them. */
  readonly contents?: readonly { readonly type: string; readonly schemas?: readonly SchemaName[] }[];
  readonly headers?: Readonly<Record<string, string>>;
}

const JSON_TYPE = "application/json";
const EVENTS_TYPE = "text/event-stream";

const json = (schema: SchemaName, description: string, status = 200): Answer => ({
  status,
  description,
  contents: [{ type: JSON_TYPE, schemas: [schema] }],
});

const PLACED_HEADERS = {
  "x-coop-job": "The job's id.",
  "x-coop-node": "Name of the node that served it.",
  "x-coop-model": "Model that served it.",
  "x-coop-tier": "Tier of that model on that node.",
  "x-coop-truncated": "`default-limit` when the co-op's own limit on output cut the answer.",
  "x-coop-ignored-fields": "Fields of the request that changed nothing.",
};

const SUBMISSION_HEADERS: readonly Parameter[] = [
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

const SUBMISSION_PROBLEMS = [400, 401, 404, 409, 410, 413, 422, 429, 500, 503] as const;
const ATTACHED_PROBLEMS = [...SUBMISSION_PROBLEMS, 502, 504] as const;

const jobId: Parameter = { in: "path", name: "id", description: "The job's id." };

const inference: readonly Operation[] = [
  {
    method: "post",
    path: "/v1/chat/completions",
    id: "createChatCompletion",
    group: "Inference",
    summary: "Answers a conversation, whole or as a stream (OpenAI's dialect).",
    description:
      "`model` is an engine's model, or a tier: coop/edge, coop/local-small, coop/local-large, coop/auto. " +
      "Closing the connection cancels the job.",
    access: "member",
    parameters: SUBMISSION_HEADERS,
    request: "ChatCompletionRequest",
    answers: [
      {
        status: 200,
        description: "The answer; with `stream`, chunks as server-sent events up to `[DONE]` or an error.",
        contents: [
          { type: JSON_TYPE, schemas: ["ChatCompletion"] },
          { type: EVENTS_TYPE, schemas: ["ChatCompletionChunk"] },
        ],
        headers: PLACED_HEADERS,
      },
    ],
    problems: ATTACHED_PROBLEMS,
  },
  {
    method: "post",
    path: "/v1/embeddings",
    id: "createEmbeddings",
    group: "Inference",
    summary: "Embeds one text or a batch (OpenAI's dialect).",
    access: "member",
    parameters: SUBMISSION_HEADERS,
    request: "EmbeddingsRequest",
    answers: [
      { ...json("EmbeddingList", "The vectors, in the order of the inputs."), headers: PLACED_HEADERS },
    ],
    problems: ATTACHED_PROBLEMS,
  },
  {
    method: "get",
    path: "/v1/models",
    id: "listModels",
    group: "Inference",
    summary: "The models of the fleet, and the tiers as models.",
    access: "member",
    answers: [json("ModelList", "Tiers first, then models by name.")],
    problems: [401, 500, 503],
  },
  {
    method: "get",
    path: "/v1/models/{model}",
    id: "getModel",
    group: "Inference",
    summary: "One model.",
    access: "member",
    parameters: [{ in: "path", name: "model", description: "Its name; slashes may stand as they are." }],
    answers: [json("Model", "The model.")],
    problems: [401, 404, 500, 503],
  },
];

const jobs: readonly Operation[] = [
  {
    method: "post",
    path: "/v1/jobs",
    id: "submitJob",
    group: "Jobs",
    summary: "Submits a job that runs whoever watches.",
    access: "member",
    parameters: SUBMISSION_HEADERS,
    request: "SubmitJobRequest",
    answers: [
      {
        ...json("Job", "It is accepted.", 202),
        headers: {
          Location: "Where the job is.",
          "x-coop-job": PLACED_HEADERS["x-coop-job"],
          "x-coop-ignored-fields": PLACED_HEADERS["x-coop-ignored-fields"],
        },
      },
    ],
    problems: SUBMISSION_PROBLEMS,
  },
  {
    method: "get",
    path: "/v1/jobs",
    id: "listJobs",
    group: "Jobs",
    summary: "The member's jobs, latest first.",
    access: "member",
    parameters: [
      { in: "query", name: "limit", description: "Most jobs of the page, 1 to 200; 20 when left out." },
      { in: "query", name: "cursor", description: "`nextCursor` of the page before." },
      { in: "query", name: "member", description: "Another member's jobs; for operators." },
    ],
    answers: [json("JobList", "A page; `nextCursor` is null on the last.")],
    problems: [400, 401, 403, 500, 503],
  },
  {
    method: "get",
    path: "/v1/jobs/{id}",
    id: "getJob",
    group: "Jobs",
    summary: "A job, with its result once it succeeded.",
    access: "member",
    parameters: [jobId],
    answers: [json("Job", "The job.")],
    problems: [401, 404, 500, 503],
  },
  {
    method: "get",
    path: "/v1/jobs/{id}/events",
    id: "followJob",
    group: "Jobs",
    summary: "A job's output as server-sent events, until its end.",
    description: "Each event's id is its position; coming back with it continues behind it.",
    access: "member",
    parameters: [
      jobId,
      { in: "header", name: "Last-Event-ID", description: "Position to continue behind, such as 1-12." },
      { in: "query", name: "after", description: "The same, for clients that cannot set the header." },
    ],
    answers: [
      {
        status: 200,
        description: "Events: placed, deltas, and one of succeeded, failed, cancelled, expired.",
        contents: [{ type: EVENTS_TYPE }],
      },
      { status: 204, description: "The job has ended and nothing is left behind the position." },
    ],
    problems: [400, 401, 404, 500, 503],
  },
  {
    method: "get",
    path: "/v1/jobs/{id}/response",
    id: "getJobResponse",
    group: "Jobs",
    summary: "What the job's endpoint would have answered: the answer, or the problem in its place.",
    access: "member",
    parameters: [
      jobId,
      {
        in: "query",
        name: "encoding_format",
        description: "Of embeddings; float when left out.",
        values: ["float", "base64"],
      },
    ],
    answers: [
      {
        status: 200,
        description: "The answer as its endpoint gives it.",
        contents: [{ type: JSON_TYPE, schemas: ["ChatCompletion", "EmbeddingList"] }],
        headers: PLACED_HEADERS,
      },
    ],
    problems: [400, 401, 404, 409, 410, 422, 500, 502, 503, 504],
  },
  {
    method: "get",
    path: "/v1/jobs/{id}/placement",
    id: "explainJob",
    group: "Jobs",
    summary: "Why a job went where it went, or what it waits for.",
    access: "member",
    parameters: [jobId],
    answers: [json("Placement", "Each node with its cost, or the reasons why it was refused.")],
    problems: [401, 404, 500, 503],
  },
  {
    method: "delete",
    path: "/v1/jobs/{id}",
    id: "cancelJob",
    group: "Jobs",
    summary: "Cancels a job; one that has ended stays as it is.",
    access: "member",
    parameters: [jobId],
    answers: [json("Job", "The job as it is now.")],
    problems: [401, 404, 500, 503],
  },
];

const fleet: readonly Operation[] = [
  {
    method: "get",
    path: "/v1/nodes",
    id: "listNodes",
    group: "Fleet",
    summary: "The nodes, what they can do and what they do.",
    access: "member",
    answers: [json("NodeList", "The nodes as the scheduler last saw them.")],
    problems: [401, 500, 503],
  },
  {
    method: "get",
    path: "/v1/fleet",
    id: "getFleet",
    group: "Fleet",
    summary: "The fleet in sum.",
    access: "member",
    answers: [json("Fleet", "Totals over the nodes that are connected.")],
    problems: [401, 500, 503],
  },
  {
    method: "get",
    path: "/v1/quota",
    id: "getQuota",
    group: "Fleet",
    summary: "The caller's month: limit, used and held tokens.",
    access: "member",
    answers: [json("Quota", "The month.")],
    problems: [401, 500, 503],
  },
];

const memberId: Parameter = { in: "path", name: "id", description: "The member's id or name." };
const ADMIN_PROBLEMS = [401, 403, 500, 503] as const;

const administration: readonly Operation[] = [
  {
    method: "post",
    path: "/admin/members",
    id: "addMember",
    group: "Administration",
    summary: "Adds a member.",
    access: "operator",
    request: "AddMemberRequest",
    answers: [json("Member", "The member.", 201)],
    problems: [400, 409, 413, ...ADMIN_PROBLEMS],
  },
  {
    method: "get",
    path: "/admin/members",
    id: "listMembers",
    group: "Administration",
    summary: "The members.",
    access: "operator",
    answers: [json("MemberList", "All of them.")],
    problems: ADMIN_PROBLEMS,
  },
  {
    method: "post",
    path: "/admin/members/{id}/keys",
    id: "createKey",
    group: "Administration",
    summary: "Makes a key for a member; it is shown once.",
    access: "operator",
    parameters: [memberId],
    request: "CreateKeyRequest",
    answers: [json("CreatedKey", "The key.", 201)],
    problems: [400, 404, 413, ...ADMIN_PROBLEMS],
  },
  {
    method: "get",
    path: "/admin/members/{id}/keys",
    id: "listKeys",
    group: "Administration",
    summary: "A member's keys, without their secrets.",
    access: "operator",
    parameters: [memberId],
    answers: [json("KeyList", "The keys.")],
    problems: [404, ...ADMIN_PROBLEMS],
  },
  {
    method: "delete",
    path: "/admin/keys/{id}",
    id: "revokeKey",
    group: "Administration",
    summary: "Revokes a key at once.",
    access: "operator",
    parameters: [{ in: "path", name: "id", description: "The key's id." }],
    answers: [{ status: 204, description: "It is revoked." }],
    problems: [404, ...ADMIN_PROBLEMS],
  },
  {
    method: "post",
    path: "/admin/join-tokens",
    id: "createJoinToken",
    group: "Administration",
    summary: "Makes a token with which one machine may join, within 15 minutes.",
    access: "operator",
    request: "CreateJoinTokenRequest",
    answers: [json("CreatedJoinToken", "The token, and the command that uses it.", 201)],
    problems: [400, 404, 413, ...ADMIN_PROBLEMS],
  },
  {
    method: "get",
    path: "/admin/nodes",
    id: "listRegistrations",
    group: "Administration",
    summary: "Every node that ever joined.",
    access: "operator",
    answers: [json("NodeRegistrationList", "The registrations.")],
    problems: ADMIN_PROBLEMS,
  },
  {
    method: "delete",
    path: "/admin/nodes/{id}",
    id: "revokeNode",
    group: "Administration",
    summary: "Revokes a node and closes its connection.",
    access: "operator",
    parameters: [{ in: "path", name: "id", description: "The node's id." }],
    answers: [{ status: 204, description: "It is revoked." }],
    problems: [404, ...ADMIN_PROBLEMS],
  },
];

const others: readonly Operation[] = [
  {
    method: "post",
    path: JOIN_PATH,
    id: "joinCoop",
    group: "Nodes",
    summary: "Exchanges a join token for a node's registration; agents do this.",
    access: "anyone",
    request: "JoinRequest",
    answers: [json("JoinResponse", "The node, and the server's proof of who it is.")],
    problems: [400, 401, 409, 410, 413, 500, 503],
  },
  {
    method: "get",
    path: "/healthz",
    id: "getHealth",
    group: "Server",
    summary: "Whether the server lives.",
    access: "anyone",
    answers: [json("Health", "It does.")],
    problems: [],
  },
  {
    method: "get",
    path: "/readyz",
    id: "getReadiness",
    group: "Server",
    summary: "Whether the server can serve.",
    access: "anyone",
    answers: [json("Readiness", "It can."), json("Readiness", "It cannot: its store does not answer.", 503)],
    problems: [500],
  },
  {
    method: "get",
    path: "/metrics",
    id: "getMetrics",
    group: "Server",
    summary: "What the server measured, for Prometheus; to its own machine only.",
    access: "anyone",
    answers: [{ status: 200, description: "Metrics as text.", contents: [{ type: "text/plain" }] }],
    problems: [403, 500],
  },
  {
    method: "get",
    path: "/openapi.json",
    id: "getOpenapi",
    group: "Server",
    summary: "This description (OpenAPI 3.1).",
    access: "anyone",
    answers: [{ status: 200, description: "The description.", contents: [{ type: JSON_TYPE }] }],
    problems: [],
  },
  {
    method: "get",
    path: "/docs",
    id: "getDocs",
    group: "Server",
    summary: "This description as a page.",
    access: "anyone",
    answers: [{ status: 200, description: "The page.", contents: [{ type: "text/html" }] }],
    problems: [],
  },
];

/** Everything that the HTTP surface does. */
export const OPERATIONS: readonly Operation[] = [
  ...inference,
  ...jobs,
  ...fleet,
  ...administration,
  ...others,
];
