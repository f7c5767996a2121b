import { asMemberId } from "@coop/core";
import type { Clock, Erasures, MemberStore } from "@coop/core";
import type { ErasureView } from "@coop/protocol";
import type { MiddlewareHandler } from "hono";
import type { ApiContext, ApiEnv } from "../deps.ts";
import { knownMember } from "../known-member.ts";
import { notFound, ProblemError } from "../problem.ts";

export interface EraseDeps {
  readonly clock: Clock;
  readonly members: MemberStore;
  readonly erasures: Erasures;
}

/** `DELETE /admin/members/:id`: everything that a member wrote, read and is called; what was counted stays. */
export const eraseMember =
  ({ clock, members, erasures }: EraseDeps) =>
  async (c: ApiContext): Promise<Response> => {
    const { id } = await knownMember(members, c.req.param("id") ?? "", "id");
    const outcome = await erasures.eraseMember(id, clock.now());
    switch (outcome.kind) {
      case "erased": {
        const { jobs, keys, nodes, journal } = outcome;
        const { name } = await knownMember(members, id, "id");
        const view: ErasureView = { object: "coop.erasure", member: id, name, jobs, keys, nodes, journal };
        return c.json(view);
      }
      case "unknown":
        throw notFound(`There is no member ${id}.`, "id");
      case "last-operator":
        throw new ProblemError(409, {
          code: "last_operator",
          param: "id",
          message: "This is the last operator. Make or enable another operator first.",
          repeat: false,
        });
    }
  };

/** Nothing is done for or to a member who was erased, but erasing again. Stands behind the audit log. */
export const refuseErased =
  ({ erasures }: Pick<EraseDeps, "erasures">): MiddlewareHandler<ApiEnv> =>
  async (c, next) => {
    const act = c.get("act");
    if (act?.target?.startsWith("mem_") === true && act.name !== "members.erase") {
      if ((await erasures.erasedAtMs(asMemberId(act.target))) !== null) {
        throw new ProblemError(409, {
          code: "member_erased",
          param: "id",
          message: `Member ${act.target} was erased; only the counts are left. Add the person anew.`,
          repeat: false,
        });
      }
    }
    await next();
  };
