import type { Figure, ModelReport } from "../fleet/node.ts";
import { decodeStepMs, prefillMs } from "./decode.ts";

/** An ordinary job, to say in one figure what a node can make. */
const PROMPT_TOKENS = 1_000;
const OUTPUT_TOKENS = 200;

/**
 * Tokens a second, of prompt and output, that a node makes with all its slots busy with ordinary jobs (1,000 tokens
 * in, 200 out) that are spread evenly over its own text models; 0 when it has none. Prompts are worked off one after
 * the other, outputs together. `measured` once every figure in it is.
 */
export function throughputOf(
  models: readonly Pick<ModelReport, "cloud" | "capabilities" | "capacity">[],
  slots: number,
): Figure {
  const own = models.filter(({ cloud, capabilities }) => !cloud && capabilities.includes("completion"));
  if (own.length === 0 || slots < 1) return { value: 0, basis: "prior" };
  let jobsMs = 0;
  let isMeasured = true;
  for (const { capacity } of own) {
    const stepMs = decodeStepMs(capacity, PROMPT_TOKENS + OUTPUT_TOKENS / 2, slots);
    jobsMs += prefillMs(capacity, PROMPT_TOKENS) + (OUTPUT_TOKENS * stepMs) / slots;
    const { effectiveBytesPerSecond, fixedMsPerToken, prefillTokensPerSecond } = capacity;
    const figures = [effectiveBytesPerSecond, fixedMsPerToken, prefillTokensPerSecond];
    isMeasured &&= figures.every(({ basis }) => basis === "measured");
  }
  const value = (own.length * (PROMPT_TOKENS + OUTPUT_TOKENS) * 1000) / jobsMs;
  return { value, basis: isMeasured ? "measured" : "prior" };
}
