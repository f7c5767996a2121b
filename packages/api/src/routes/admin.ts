import { asNodeId } from "@coop/core";
import type { NodeRegistry } from "@coop/core";
import { AGENT_PACKAGE_PATH, createJoinTokenRequestSchema } from "@coop/protocol";
import type { NodeRegistrationList } from "@coop/protocol";
import { Hono } from "hono";
import type { ApiContext, ApiDeps, ApiEnv } from "../deps.ts";
import { issueJoinToken } from "../join-token.ts";
import type { JoinTokenDeps } from "../join-token.ts";
import { knownMember } from "../known-member.ts";
import { notFound } from "../problem.ts";
import { parseBody, readJson } from "../request-body.ts";
import { correctionRoutes } from "./corrections.ts";
import type { CorrectionRoutesDeps } from "./corrections.ts";
import { keyRoutes } from "./keys.ts";
import type { KeyRoutesDeps } from "./keys.ts";
import { ledgerRoutes } from "./ledger.ts";
import type { LedgerRoutesDeps } from "./ledger.ts";
import { memberRoutes } from "./members.ts";
import type { MemberRoutesDeps } from "./members.ts";

export type AdminRoutesDeps = JoinTokenDeps &
  Pick<ApiDeps, "agentPackage"> &
  MemberRoutesDeps &
  KeyRoutesDeps &
  LedgerRoutesDeps &
  CorrectionRoutesDeps;

/** `/admin`: members, keys, the ledger, join tokens and nodes, for operators. */
export function adminRoutes(deps: AdminRoutesDeps): Hono<ApiEnv> {
  const routes = new Hono<ApiEnv>();
  routes.route("/members", memberRoutes(deps));
  routes.route("/", keyRoutes(deps));
  routes.route("/", correctionRoutes(deps));
  routes.route("/ledger", ledgerRoutes(deps));
  routes.post("/join-tokens", async (c) => createJoinToken(deps, c));
  routes.get("/nodes", async (c) => c.json(await listNodes(deps.nodes)));
  routes.delete("/nodes/:id", async (c) => {
    const id = c.req.param("id");
    if (!(await deps.nodes.revokeNode(asNodeId(id), deps.clock.now())))
      throw notFound(`There is no node ${JSON.stringify(id)}.`, "id");
    return c.body(null, 204);
  });
  return routes;
}

async function listNodes(registry: NodeRegistry): Promise<NodeRegistrationList> {
  const data = (await registry.nodes()).map(({ id, name, owner, joinedAtMs, revokedAtMs }) => ({
    id,
    name,
    owner,
    joinedAtMs,
    revokedAtMs,
  }));
  return { object: "list", data };
}

async function createJoinToken(deps: AdminRoutesDeps, c: ApiContext): Promise<Response> {
  const request = parseBody(createJoinTokenRequestSchema, (await readJson(c)).value);
  const member =
    request.member === undefined
      ? c.get("caller").member
      : await knownMember(deps.members, request.member, "member");
  const { token, expiresAtMs } = await issueJoinToken(deps, member);
  const agent =
    deps.agentPackage === null ? "npm run agent --" : `npx -y ${deps.publicUrl()}${AGENT_PACKAGE_PATH}`;
  const command = `${agent} start --join ${token}`;
  return c.json({ token, member: member.id, memberName: member.name, expiresAtMs, command }, 201);
}
