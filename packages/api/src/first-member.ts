import type { MemberStore } from "@coop/core";

/** When the co-op's first member was added, ms since the Unix epoch: nothing was used or granted before. */
export async function firstMemberAtMs(members: Pick<MemberStore, "members">, nowMs: number): Promise<number> {
  return Math.min(nowMs, ...(await members.members()).map(({ createdAtMs }) => createdAtMs));
}
