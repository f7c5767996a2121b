import type { Delta } from "@coop/core";
import { z } from "zod";
import { toolCallSchema } from "./engine-request.ts";

const likelyToken = { token: z.string(), logprob: z.number(), bytes: z.array(z.number()).nullable() };
const tokenLogprob = z.object({ ...likelyToken, top: z.array(z.object(likelyToken)) });

export const deltaSchema = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("content"), text: z.string() }),
  z.object({ kind: z.literal("logprobs"), tokens: z.array(tokenLogprob) }),
  z.object({ kind: z.literal("reasoning"), text: z.string() }),
  z.object({ kind: z.literal("tool-call"), index: z.number().int().nonnegative(), call: toolCallSchema }),
  z.object({
    kind: z.literal("embedding"),
    index: z.number().int().nonnegative(),
    vector: z.array(z.number()),
  }),
]) satisfies z.ZodType<Delta>;
