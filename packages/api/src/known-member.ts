import { asMemberId } from "@coop/core";
import type { Member, MemberStore } from "@coop/core";
import { notFound } from "./problem.ts";

/**
 * A member by id or name.
 * @throws ProblemError 404 that names the field
 */
export async function knownMember(members: MemberStore, wanted: string, param: string): Promise<Member> {
  const member =
    (await members.member(asMemberId(wanted))) ??
    (await members.members()).find(({ name }) => name === wanted);
  if (member === undefined)
    throw notFound(`There is no member ${JSON.stringify(wanted.slice(0, 80))}.`, param);
  return member;
}
