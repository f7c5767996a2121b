import type { Member, MemberStore } from "@coop/core";

/** When the first of some members was added, ms since the Unix epoch; now when there is none. */
export const firstOf = (members: readonly Member[], nowMs: number): number =>
  members.reduce((first, { createdAtMs }) => Math.min(first, createdAtMs), nowMs);

/** When the co-op's first member was added, ms since the Unix epoch: nothing was used or granted before. */
export const firstMemberAtMs = async (
  members: Pick<MemberStore, "members">,
  nowMs: number,
): Promise<number> => firstOf(await members.members(), nowMs);
