import { OperationalError } from "@coop/core";
import { z } from "zod";

const lineSchema = z.object({
  timestamp: z.number().min(0),
  input_length: z.number().int().min(0),
  output_length: z.number().int().min(0),
  hash_ids: z.array(z.number()).optional(),
});

export type BlockLine = z.infer<typeof lineSchema>;

/** @throws OperationalError `unknown-trace` with the fields that are wanted, `bad-trace` for what is not JSON */
export function parseBlockLine(line: string, where: string): BlockLine {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (cause) {
    throw new OperationalError("bad-trace", `${where} is not JSON.`, { cause });
  }
  const parsed = lineSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new OperationalError(
    "unknown-trace",
    `${where}: ${issue?.path.join(".") ?? ""}: ${issue?.message ?? ""}. A line must have timestamp (ms), input_length, ` +
      "output_length and, if known, hash_ids.",
  );
}
