import type { ChatCompletionRequest } from "@coop/protocol";

/** `metadata`, and `user` as a label of that name unless there is one: what the job's view shows. */
export const labelsOf = ({
  user,
  metadata,
}: Pick<ChatCompletionRequest, "user" | "metadata">): Readonly<Record<string, string>> => ({
  ...(typeof user === "string" && { user }),
  ...metadata,
});
