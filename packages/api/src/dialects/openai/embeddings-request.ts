import type { EmbeddingsRequest } from "@coop/protocol";
import type { Work } from "../../submission.ts";

/** Reads an embeddings request of the OpenAI dialect as work for an engine. Pure: no I/O. */
export function embeddingsWork(request: EmbeddingsRequest): Work {
  const inputs = typeof request.input === "string" ? [request.input] : request.input;
  const sizes = inputs.map((input) => Buffer.byteLength(input));
  return {
    endpoint: "embeddings",
    requested: request.model,
    prompt: { bytes: sizes.reduce((sum, bytes) => sum + bytes, 0), images: 0 },
    longest: { bytes: Math.max(...sizes), images: 0 },
    needs: [],
    maxOutputTokens: 0,
    conversation: null,
    labels: typeof request.user === "string" ? { user: request.user } : {},
    engineRequest: () => ({
      kind: "embed",
      inputs,
      ...(typeof request.dimensions === "number" && { dimensions: request.dimensions }),
    }),
  };
}
