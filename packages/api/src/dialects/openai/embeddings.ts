import { embeddingsRequestSchema } from "@coop/protocol";
import { awaitWhole, clientGone, startAttached } from "../../attached-job.ts";
import type { AttachedDeps } from "../../attached-job.ts";
import type { ApiContext } from "../../deps.ts";
import { readJson, readRequest } from "../../request-body.ts";
import { embeddingList } from "./completion.ts";
import { embeddingsWork } from "./embeddings-request.ts";

/** `POST /v1/embeddings`. */
export const embeddings =
  (deps: AttachedDeps) =>
  async (c: ApiContext): Promise<Response> => {
    const body = await readJson(c);
    const request = readRequest(c, embeddingsRequestSchema, body.value);
    const whole = await awaitWhole(
      c,
      await startAttached(deps, c, embeddingsWork(request), body.text, false),
    );
    if (whole === null) return clientGone();
    return c.json(embeddingList(whole.output, whole.end.usage, request.encoding_format ?? "float"));
  };
