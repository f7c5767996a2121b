import { asJobId, asMemberId, estimatePrompt, OperationalError } from "@coop/core";
import type { JobSpec, Random, Tier } from "@coop/core";
import type { SimJob } from "../world/job.ts";
import { createStream, normal } from "../world/random-stream.ts";
import { WORLD_START_MS } from "../world/world.ts";
import { assignMembers, sharesOf } from "./members.ts";
import type { MemberShares } from "./members.ts";
import type { Request } from "./request.ts";

/** How requests become jobs. */
export interface Dressing {
  /** Parts of the jobs that ask for edge, local-small and local-large; adding up to 1. */
  readonly mix: readonly [edge: number, localSmall: number, localLarge: number];
  readonly members: MemberShares;
  /** Part of the jobs that are batch work. */
  readonly batchShare: number;
}

/** A job whose time of arrival is not set. */
export type DressedJob = Omit<SimJob, "arrivalS" | "spec"> & {
  readonly atS: number;
  readonly spec: Omit<JobSpec, "submittedAtMs" | "deadlineMs">;
};

const MIXED_TIERS: readonly Tier[] = ["edge", "local-small", "local-large"];
/** What a job may produce when its client does not say, as the co-op's default. */
const USUAL_OUTPUT_TOKENS_MAX = 1_024;
/** How texts vary in bytes a token, and within what bounds. */
const BYTES_PER_TOKEN = { median: 4.1, sigma: 0.12, least: 2.1, most: 6 };
const DEADLINE_MS = 30 * 86_400_000;

/** The jobs that requests are: each with its member, what it asks for, and what is known of its size. */
export function dress(
  requests: readonly Request[],
  { mix, members, batchShare }: Dressing,
  seed: number,
): readonly DressedJob[] {
  const senders = assignMembers(requests, sharesOf(members), createStream(seed, "members"));
  const tiers = createStream(seed, "tiers");
  const bands = createStream(seed, "bands");
  const sizes = createStream(seed, "sizes");
  const tierOf = new Map<string, Tier>();
  const bandOf = new Map<string, JobSpec["band"]>();
  return requests.map((request, index): DressedJob => {
    const { session, promptTokens, outputTokens, prefix, sharedTokens, atS } = request;
    const conversation = session ?? `#${index}`;
    const tier = remembered(tierOf, conversation, () => drawTier(mix, tiers));
    const band = remembered(bandOf, conversation, () =>
      bands.next() < batchShare ? "batch" : "interactive",
    );
    const estimate = estimatePrompt({ bytes: Math.round(promptTokens * bytesPerToken(sizes)), images: 0 });
    return {
      index,
      atS,
      promptTokens,
      outputTokens,
      prefix,
      sharedTokens,
      spec: {
        id: asJobId(`job_${String(index).padStart(8, "0")}`),
        member: asMemberId(`mem_${senders[index] ?? ""}`),
        weight: 1,
        endpoint: "chat",
        target: { kind: "tier", tier },
        askedTier: tier,
        privacy: "coop",
        needs: [],
        ...estimate,
        maxOutputTokens: outputLimit(outputTokens),
        band,
        attachment: band === "batch" ? "detached" : "attached",
        streamed: band !== "batch",
        session,
      },
    };
  });
}

/** Sets the time of arrival: `stretch` seconds of the simulation for each second of the workload. */
export const schedule = (jobs: readonly DressedJob[], stretch: number): readonly SimJob[] =>
  jobs.map(({ atS, spec, ...job }) => {
    const submittedAtMs = WORLD_START_MS + atS * stretch * 1000;
    return {
      ...job,
      arrivalS: atS * stretch,
      spec: { ...spec, submittedAtMs, deadlineMs: submittedAtMs + DEADLINE_MS },
    };
  });

function remembered<T>(known: Map<string, T>, key: string, make: () => T): T {
  const found = known.get(key);
  if (found !== undefined) return found;
  const made = make();
  known.set(key, made);
  return made;
}

function drawTier([edge, localSmall]: Dressing["mix"], random: Random): Tier {
  const point = random.next();
  if (point < edge) return "edge";
  return point < edge + localSmall ? "local-small" : "local-large";
}

function bytesPerToken(random: Random): number {
  const { median, sigma, least, most } = BYTES_PER_TOKEN;
  return Math.min(most, Math.max(least, median * Math.exp(sigma * normal(random))));
}

/** Clients that need more than is usual say so, in powers of two. */
const outputLimit = (outputTokens: number): number =>
  Math.max(USUAL_OUTPUT_TOKENS_MAX, 2 ** Math.ceil(Math.log2(Math.max(1, outputTokens))));

/**
 * Parses parts such as `55/35/10`: edge, local-small, local-large.
 * @throws OperationalError `bad-mix`
 */
export function parseMix(text: string): Dressing["mix"] {
  const [edge, localSmall, localLarge, ...others] = text.split("/").map(Number);
  const parts = [edge ?? Number.NaN, localSmall ?? Number.NaN, localLarge ?? Number.NaN] as const;
  const sum = parts[0] + parts[1] + parts[2];
  if (others.length > 0 || !parts.every((part) => part >= 0) || !(sum > 0)) {
    const form = `parts for ${MIXED_TIERS.join(", ")} such as 55/35/10`;
    throw new OperationalError("bad-mix", `--mix ${text}: must be ${form}.`);
  }
  return [parts[0] / sum, parts[1] / sum, parts[2] / sum];
}
