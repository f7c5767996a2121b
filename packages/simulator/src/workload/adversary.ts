import { asJobId, asMemberId, estimatePrompt } from "@coop/core";
import type { JobSpec, Tier } from "@coop/core";
import type { SimJob } from "../world/job.ts";
import { createStream, exponential } from "../world/random-stream.ts";
import { WORLD_START_MS } from "../world/world.ts";

/**
 * One member who works against the others. `flood`: far more ordinary jobs than anybody. `huge`: the longest prompts
 * there is room for. `tiny`: crowds of the smallest jobs. `cancel`: long outputs, each cancelled shortly before its end.
 */
export const ADVERSARIES = ["flood", "huge", "tiny", "cancel"] as const;
export type Adversary = (typeof ADVERSARIES)[number];

export const ADVERSARY = asMemberId("mem_adversary");

interface Attack {
  /** Jobs for each job of all honest members together. */
  readonly jobsPerHonest: number;
  readonly promptTokens: number;
  readonly outputTokens: number;
  readonly maxOutputTokens: number;
  readonly isCancelled: boolean;
}

const ATTACKS: Readonly<Record<Adversary, Attack>> = {
  flood: {
    jobsPerHonest: 2,
    promptTokens: 1_000,
    outputTokens: 200,
    maxOutputTokens: 1_024,
    isCancelled: false,
  },
  huge: {
    jobsPerHonest: 0.3,
    promptTokens: 11_000,
    outputTokens: 50,
    maxOutputTokens: 256,
    isCancelled: false,
  },
  tiny: { jobsPerHonest: 6, promptTokens: 40, outputTokens: 12, maxOutputTokens: 16, isCancelled: false },
  cancel: {
    jobsPerHonest: 0.7,
    promptTokens: 500,
    outputTokens: 950,
    maxOutputTokens: 1_024,
    isCancelled: true,
  },
};
const TIERS_ASKED: readonly Tier[] = ["edge", "edge", "local-small"];
const DEADLINE_MS = 30 * 86_400_000;

/** The honest jobs with those of the adversary among them, over the same time. */
export function besiege(honest: readonly SimJob[], adversary: Adversary, seed: number): readonly SimJob[] {
  const attack = ATTACKS[adversary];
  const random = createStream(seed, `adversary/${adversary}`);
  const count = Math.round(attack.jobsPerHonest * honest.length);
  const gapS = (honest.at(-1)?.arrivalS ?? 0) / Math.max(1, count);
  let arrivalS = 0;
  const jobs = Array.from({ length: count }, (_, index) => {
    arrivalS += exponential(random) * gapS;
    const tier = TIERS_ASKED[Math.floor(random.next() * TIERS_ASKED.length)] ?? "edge";
    return attackJob(attack, tier, index, arrivalS);
  });
  return [...honest, ...jobs]
    .toSorted((one, other) => one.arrivalS - other.arrivalS)
    .map((job, index) => ({ ...job, index }));
}

function attackJob(attack: Attack, tier: Tier, index: number, arrivalS: number): SimJob {
  const { promptTokens, outputTokens, maxOutputTokens, isCancelled } = attack;
  const submittedAtMs = WORLD_START_MS + arrivalS * 1000;
  const spec: JobSpec = {
    id: asJobId(`job_adversary_${index}`),
    member: ADVERSARY,
    weight: 1,
    endpoint: "chat",
    target: { kind: "tier", tier },
    askedTier: tier,
    privacy: "coop",
    needs: [],
    ...estimatePrompt({ bytes: 4 * promptTokens, images: 0 }),
    maxOutputTokens,
    band: "interactive",
    attachment: "attached",
    streamed: true,
    session: null,
    submittedAtMs,
    deadlineMs: submittedAtMs + DEADLINE_MS,
  };
  return { index, arrivalS, spec, promptTokens, outputTokens, prefix: null, sharedTokens: 0, isCancelled };
}
