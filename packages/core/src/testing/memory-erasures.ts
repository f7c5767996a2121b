import type { Erasures } from "../ports/erasures.ts";
import type { MemberId } from "../terms.ts";
import type { MemoryJobStore } from "./memory-job-store.ts";
import type { MemoryMemberStore } from "./memory-membership.ts";
import type { MemoryNodeRegistry } from "./memory-node-registry.ts";

export interface MemoryErasuresOptions {
  readonly members: MemoryMemberStore;
  readonly nodes: MemoryNodeRegistry;
  readonly jobs: MemoryJobStore;
}

const JOBS_MOST = 100_000;

/** Erasures over the stores in memory: all in one go, so that none is ever unfinished. */
export function createMemoryErasures({ members, nodes, jobs }: MemoryErasuresOptions): Erasures {
  const erasedAt = new Map<MemberId, number>();

  const eraseJobs = async (member: MemberId, nowMs: number): Promise<number> => {
    const own = (await jobs.list(member, { limit: JOBS_MOST, cursor: null })).jobs;
    for (const { spec } of own) {
      await jobs.cancel(spec.id, member, "revoked", nowMs);
      jobs.forget(spec.id, "everything");
    }
    return own.length;
  };
  const eraseNodes = async (member: MemberId, nowMs: number): Promise<number> => {
    const own = (await nodes.nodes()).filter(({ owner }) => owner === member);
    for (const { id } of own) {
      await nodes.revokeNode(id, nowMs);
      nodes.rename(id, `erased-${id.slice(-6)}`);
    }
    nodes.forgetTokens(member);
    return own.length;
  };

  return {
    forgetJob: async (job) => jobs.forget(job, "content"),
    async eraseMember(member, nowMs) {
      const outcome = await members.disableMember(member, nowMs);
      if (outcome !== "disabled") return { kind: outcome };
      if (!erasedAt.has(member)) erasedAt.set(member, nowMs);
      const keys = (await members.keys(member)).length;
      members.forgetKeys(member);
      const erased = {
        jobs: await eraseJobs(member, nowMs),
        keys,
        nodes: await eraseNodes(member, nowMs),
        journal: "none",
      } as const;
      if ((await members.setMember(member, { name: `erased-${member.slice(-6)}` })) === "name-taken")
        await members.setMember(member, { name: `erased-${member}` });
      return { kind: "erased", ...erased };
    },
    unfinished: async () => [],
    erasedAtMs: async (member) => erasedAt.get(member) ?? null,
  };
}
