import type { MemberId } from "../terms.ts";
import { ASKED_MS, FLOOD_FACTOR, FLOOD_JOBS_MIN } from "./window.ts";

/**
 * What members asked for in the last ten minutes, each thing by itself: jobs, prompt tokens and output tokens. Only what
 * arrives counts, never what still waits: whoever is held back must not look like more for it.
 */
export interface AskedLately {
  /** `atMs`: when; what is told of later counts as it has faded since, such as all that waits when a dispatcher begins. */
  readonly ask: (member: MemberId, asked: Asked, atMs: number) => void;
  /** Whether a member asked for far more of one thing than all others together, as of the last who asked. */
  readonly floods: (member: MemberId) => boolean;
}

/** Over the member's weight. */
export interface Asked {
  readonly jobs: number;
  readonly promptTokens: number;
  readonly outputTokens: number;
}

interface Faded {
  asked: Asked;
  atMs: number;
}

const NOTHING: Asked = { jobs: 0, promptTokens: 0, outputTokens: 0 };

export function createAskedLately(): AskedLately {
  const byMember = new Map<MemberId, Faded>();
  const all: Faded = { asked: NOTHING, atMs: 0 };

  return {
    ask(member, asked, atMs) {
      const own = byMember.get(member) ?? { asked: NOTHING, atMs };
      byMember.set(member, own);
      for (const faded of [own, all]) {
        const lastMs = Math.max(faded.atMs, atMs);
        const before = as(faded, lastMs);
        const added = as({ asked, atMs }, lastMs);
        faded.asked = {
          jobs: before.jobs + added.jobs,
          promptTokens: before.promptTokens + added.promptTokens,
          outputTokens: before.outputTokens + added.outputTokens,
        };
        faded.atMs = lastMs;
      }
    },
    floods(member) {
      const known = byMember.get(member);
      if (known === undefined) return false;
      const own = as(known, all.atMs);
      const { asked } = all;
      if (own.jobs < FLOOD_JOBS_MIN || own.jobs >= asked.jobs) return false;
      return (
        isFarMore(own.jobs, asked.jobs) ||
        isFarMore(own.promptTokens, asked.promptTokens) ||
        isFarMore(own.outputTokens, asked.outputTokens)
      );
    },
  };
}

const isFarMore = (own: number, all: number): boolean => own > FLOOD_FACTOR * (all - own);

function as({ asked, atMs }: Faded, nowMs: number): Asked {
  const kept = Math.exp(-Math.max(0, nowMs - atMs) / ASKED_MS);
  return {
    jobs: asked.jobs * kept,
    promptTokens: asked.promptTokens * kept,
    outputTokens: asked.outputTokens * kept,
  };
}
