import type { Endpoint, JobSpec } from "../job/job.ts";
import { DEFAULT_MEAN_OUTPUT_TOKENS } from "../placement/expected-output.ts";
import type { MemberId } from "../terms.ts";

/** Mean output lengths by member, model and endpoint, learned as attempts end. */
export interface OutputLengths {
  /** Looks up a job's means, model by model; a model that is new to the member takes the member's mean. */
  readonly meansFor: (spec: Pick<JobSpec, "member" | "endpoint">) => (model: string) => number;
  readonly learn: (spec: Pick<JobSpec, "member" | "endpoint">, model: string, outputTokens: number) => void;
}

interface Mean {
  tokens: number;
  /** The starting guess counts as one. */
  samples: number;
}

const MEMORY_SAMPLES = 10;
/** A member's mean over all models. */
const ALL = "";

export function createOutputLengths(): OutputLengths {
  const byEndpoint = new Map<Endpoint, Map<MemberId, Map<string, Mean>>>();

  const meansOf = (endpoint: Endpoint, member: MemberId): Map<string, Mean> | undefined =>
    byEndpoint.get(endpoint)?.get(member);
  const initial = (endpoint: Endpoint): number =>
    endpoint === "embeddings" ? 0 : DEFAULT_MEAN_OUTPUT_TOKENS;

  return {
    meansFor({ endpoint, member }) {
      const means = meansOf(endpoint, member);
      const usual = means?.get(ALL)?.tokens ?? initial(endpoint);
      return (model) => means?.get(model)?.tokens ?? usual;
    },
    learn({ endpoint, member }, model, outputTokens) {
      const members = byEndpoint.get(endpoint) ?? new Map<MemberId, Map<string, Mean>>();
      byEndpoint.set(endpoint, members);
      const means = members.get(member) ?? new Map<string, Mean>();
      members.set(member, means);
      const usual = means.get(ALL)?.tokens ?? initial(endpoint);
      for (const key of [model, ALL]) {
        const mean = means.get(key) ?? { tokens: usual, samples: 1 };
        mean.samples = Math.min(MEMORY_SAMPLES, mean.samples + 1);
        mean.tokens += (outputTokens - mean.tokens) / mean.samples;
        means.set(key, mean);
      }
    },
  };
}
