import { asNodeId, assert } from "@coop/core";
import type { NodeRegistration } from "@coop/core";
import { AGENT_PACKAGE_PATH, createJoinTokenRequestSchema } from "@coop/protocol";
import type { NodeRegistrationList, NodeRegistrationRow } from "@coop/protocol";
import { Hono } from "hono";
import type { ApiContext, ApiDeps, ApiEnv } from "../deps.ts";
import { issueJoinToken } from "../join-token.ts";
import type { JoinTokenDeps } from "../join-token.ts";
import { knownMember } from "../known-member.ts";
import { notFound } from "../problem.ts";
import type { ProblemError } from "../problem.ts";
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
  routes.get("/nodes", async (c) => c.json(await listNodes(deps)));
  routes.post("/nodes/:id/drain", (c) => drain(deps, c, c.req.param("id"), deps.clock.now()));
  routes.post("/nodes/:id/undrain", (c) => drain(deps, c, c.req.param("id"), null));
  routes.delete("/nodes/:id", async (c) => {
    const id = c.req.param("id");
    if (!(await deps.nodes.revokeNode(asNodeId(id), deps.clock.now()))) throw noSuchNode(id);
    return c.body(null, 204);
  });
  return routes;
}

const noSuchNode = (id: string): ProblemError => notFound(`There is no node ${JSON.stringify(id)}.`, "id");

const registrationRow = (node: NodeRegistration): NodeRegistrationRow => ({
  id: node.id,
  name: node.name,
  owner: node.owner,
  joinedAtMs: node.joinedAtMs,
  revokedAtMs: node.revokedAtMs,
  drainedAtMs: node.drainedAtMs,
});

async function listNodes({ nodes, agentPackage }: AdminRoutesDeps): Promise<NodeRegistrationList> {
  const data = (await nodes.nodes()).map(registrationRow);
  return { object: "list", agentVersion: agentPackage?.version ?? null, data };
}

/** @param atMs since when it takes nothing new; null: it serves again */
async function drain(
  { nodes }: AdminRoutesDeps,
  c: ApiContext,
  text: string,
  atMs: number | null,
): Promise<Response> {
  const id = asNodeId(text);
  if (!(await nodes.drainNode(id, atMs))) throw noSuchNode(text);
  const node = await nodes.node(id);
  assert(node !== null, "a node that was drained is registered");
  return c.json(registrationRow(node));
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
