import { EVENTS_TYPE, json, JSON_TYPE } from "./operation.ts";
import type { Operation } from "./operation.ts";
import { LIMIT_HEADERS, PLACED_HEADERS, SUBMISSION_HEADERS, SUBMISSION_PROBLEMS } from "./submission.ts";

const ATTACHED_PROBLEMS = [...SUBMISSION_PROBLEMS, 502, 504] as const;

/** Endpoints whose answer is their job's output, and the models that serve them. */
export const INFERENCE: readonly Operation[] = [
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
        headers: { ...PLACED_HEADERS, ...LIMIT_HEADERS },
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
      {
        ...json("EmbeddingList", "The vectors, in the order of the inputs."),
        headers: { ...PLACED_HEADERS, ...LIMIT_HEADERS },
      },
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
