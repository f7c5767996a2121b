import { createHash } from "node:crypto";
import { z } from "zod";

/** What a run asks of the co-op for each of its lines; null leaves it to the line or the key. */
export const runOptionsSchema = z.object({
  /** Takes the place of each line's model. */
  model: z.string().nullable(),
  privacy: z.string().nullable(),
  /** From a job's submission to the time by which it must have finished, seconds. */
  deadlineSeconds: z.number().nullable(),
});
export type RunOptions = z.infer<typeof runOptionsSchema>;

/** One use of a batch file: the same file, results and options are the same run, whenever and wherever it goes on. */
export const runSchema = z.object({
  id: z.string(),
  /** SHA-256 of the batch file, hex. */
  input: z.string(),
  options: runOptionsSchema,
});
export type Run = z.infer<typeof runSchema>;

const sha256 = (data: string | Uint8Array): string => createHash("sha256").update(data).digest("hex");
const ID_LENGTH = 24;

/**
 * @param resultsPath absolute
 * @param salt makes it a run of its own; empty for the usual one
 */
export function identifyRun(bytes: Uint8Array, resultsPath: string, options: RunOptions, salt = ""): Run {
  const input = sha256(bytes);
  const { model, privacy, deadlineSeconds } = options;
  const identity = JSON.stringify([input, resultsPath, model, privacy, deadlineSeconds, salt]);
  return { id: sha256(identity).slice(0, ID_LENGTH), input, options };
}

/**
 * Leads to one and the same job however often the line is submitted.
 * @param round 1, and one more each time that a job's answer was lost before it was read
 */
export const idempotencyKey = (run: Run, line: number, round: number): string =>
  `submit-${sha256(JSON.stringify([run.id, line, round]))}`;

/** Why two runs are not the same one, in words; null when they are. */
export function differenceOf(begun: Run, wanted: Run): string | null {
  if (begun.input !== wanted.input) return "the file has changed since";
  const named = (["model", "privacy", "deadlineSeconds"] as const).find(
    (option) => begun.options[option] !== wanted.options[option],
  );
  if (named === undefined) return null;
  const flag = named === "deadlineSeconds" ? "deadline" : named;
  const value = begun.options[named];
  const unit = named === "deadlineSeconds" ? "s" : "";
  return value === null ? `it began without --${flag}` : `it began with --${flag} ${value}${unit}`;
}
