import { asMemberId, nearestNames } from "@coop/core";
import type { Member, MemberStore } from "@coop/core";
import { ProblemError } from "./problem.ts";

/**
 * A member by id or name.
 * @throws ProblemError 404 that names the field and the nearest names
 */
export async function knownMember(members: MemberStore, wanted: string, param: string): Promise<Member> {
  const byId = await members.member(asMemberId(wanted));
  if (byId !== null) return byId;
  const everyone = await members.members();
  const member = everyone.find(({ name }) => name === wanted);
  if (member !== undefined) return member;
  const short = wanted.slice(0, 80);
  const nearest = nearestNames(
    short,
    everyone.map(({ name }) => name),
  );
  throw new ProblemError(404, {
    code: "not_found",
    param,
    message: `There is no member ${JSON.stringify(short)}. Nearest: ${nearest.join(", ")}.`,
    nearest,
  });
}
