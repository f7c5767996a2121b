import { EVENTS_TYPE, json, JSON_TYPE } from "./operation.ts";
import type { Operation, Parameter } from "./operation.ts";
import { LIMIT_HEADERS, PLACED_HEADERS, SUBMISSION_HEADERS, SUBMISSION_PROBLEMS } from "./submission.ts";

const jobId: Parameter = { in: "path", name: "id", description: "The job's id." };

/** Jobs that run whoever watches. */
export const JOBS: readonly Operation[] = [
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
          ...LIMIT_HEADERS,
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
