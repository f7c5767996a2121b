import { asJobId, asMemberId, createCalendar } from "@coop/core";
import type { ReplayJob } from "@coop/protocol";
import type { SimJob } from "../world/job.ts";
import { WORLD_START_MS } from "../world/world.ts";

/** Length of outputs where no job tells, tokens. */
const USUAL_OUTPUT_TOKENS = 210;
const DAY_MS = 86_400_000;
const DEADLINE_MS = 30 * DAY_MS;

/**
 * Jobs of the past as jobs of a simulation, in the order in which they came. The simulation's first midnight is that
 * before the first job in the co-op's time zone, so that token budgets begin anew when they did. Prefixes are not
 * known: nothing is taken for cached. An expired job, whose output nobody knows, has the mean of those that ended well.
 */
export function simJobs(past: readonly ReplayJob[], timeZone: string): readonly SimJob[] {
  const sorted = past.toSorted((one, other) => one.submittedAtMs - other.submittedAtMs);
  const first = sorted[0];
  if (first === undefined) return [];
  const midnightMs = createCalendar(timeZone).dayEndsMs(first.submittedAtMs) - DAY_MS;
  const usualTokens = {
    chat: meanOutputTokens(past.filter(({ endpoint }) => endpoint === "chat")),
    embeddings: 0,
  };
  return sorted.map((job, index): SimJob => {
    const submittedAtMs = WORLD_START_MS + Math.max(0, job.submittedAtMs - midnightMs);
    const outputTokens = job.outputTokens ?? Math.min(job.maxOutputTokens, usualTokens[job.endpoint]);
    const { target, weight, endpoint, askedTier, privacy, needs, band, maxOutputTokens } = job;
    return {
      index,
      arrivalS: (submittedAtMs - WORLD_START_MS) / 1000,
      spec: {
        id: asJobId(`job_${String(index).padStart(8, "0")}`),
        member: asMemberId(job.member),
        weight,
        endpoint,
        target,
        askedTier,
        privacy,
        needs,
        promptTokens: job.promptTokens,
        promptTokensMax: Math.max(job.promptTokensMax, job.promptTokens),
        maxOutputTokens: Math.max(maxOutputTokens, outputTokens),
        band,
        attachment: "detached",
        streamed: false,
        submittedAtMs,
        deadlineMs: submittedAtMs + DEADLINE_MS,
        session: null,
      },
      promptTokens: job.promptTokens,
      outputTokens,
      prefix: null,
      sharedTokens: 0,
    };
  });
}

function meanOutputTokens(jobs: readonly ReplayJob[]): number {
  const known = jobs.flatMap(({ outputTokens }) => (outputTokens === null ? [] : [outputTokens]));
  if (known.length === 0) return USUAL_OUTPUT_TOKENS;
  return Math.round(known.reduce((sum, tokens) => sum + tokens, 0) / known.length);
}
