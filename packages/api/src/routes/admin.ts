import { asMemberId, asNodeId } from "@coop/core";
import type { Member, MemberStore, NodeRegistry } from "@coop/core";
import { addMemberRequestSchema, createJoinTokenRequestSchema, createKeyRequestSchema } from "@coop/protocol";
import type { KeyList, MemberView, NodeRegistrationList } from "@coop/protocol";
import { Hono } from "hono";
import { digestSecret, makeKey } from "../api-key.ts";
import type { ApiContext, ApiDefaults, ApiEnv } from "../deps.ts";
import { issueJoinToken } from "../join-token.ts";
import type { JoinTokenDeps } from "../join-token.ts";
import { notFound, ProblemError } from "../problem.ts";
import { parseBody, readJson } from "../request-body.ts";

export interface AdminRoutesDeps extends JoinTokenDeps {
  readonly members: MemberStore;
  readonly defaults: ApiDefaults;
}

/** `/admin`: members, keys, join tokens and nodes, for operators. */
export function adminRoutes(deps: AdminRoutesDeps): Hono<ApiEnv> {
  const routes = new Hono<ApiEnv>();
  routes.post("/members", async (c) => addMember(deps, c));
  routes.get("/members", async (c) =>
    c.json({ object: "list", data: (await deps.members.members()).map(memberView) }),
  );
  routes.post("/members/:id/keys", async (c) => createKey(deps, c));
  routes.get("/members/:id/keys", async (c) => c.json(await listKeys(deps.members, c.req.param("id"))));
  routes.delete("/keys/:id", async (c) => {
    const id = c.req.param("id");
    if (!(await deps.members.revokeKey(id, deps.clock.now())))
      throw notFound(`There is no key ${JSON.stringify(id)}.`, "id");
    return c.body(null, 204);
  });
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

const memberView = ({ id, name, role, quotaTokens, weight }: Member): MemberView => ({
  id,
  name,
  role,
  quotaTokens,
  weight,
});

async function addMember(
  { clock, ids, members, defaults }: AdminRoutesDeps,
  c: ApiContext,
): Promise<Response> {
  const request = parseBody(addMemberRequestSchema, (await readJson(c)).value);
  const member: Member = {
    ...request,
    id: ids.member(),
    weight: 1,
    defaultTier: defaults.memberTier,
    createdAtMs: clock.now(),
  };
  if (await members.addMember(member)) return c.json(memberView(member), 201);
  throw new ProblemError(409, {
    code: "name_taken",
    param: "name",
    message: `There is a member ${JSON.stringify(request.name)} already.`,
    repeat: false,
  });
}

async function createKey({ clock, ids, members, pepper }: AdminRoutesDeps, c: ApiContext): Promise<Response> {
  const member = await knownMember(members, c.req.param("id") ?? "", "id");
  const { defaultPrivacy } = parseBody(createKeyRequestSchema, (await readJson(c)).value);
  const id = ids.key();
  const { text, secret } = makeKey(id, ids.secret());
  await members.addKey({
    id,
    member: member.id,
    digest: digestSecret(pepper, secret),
    defaultPrivacy,
    createdAtMs: clock.now(),
    revokedAtMs: null,
  });
  return c.json({ id, key: text, member: member.id }, 201);
}

async function listKeys(members: MemberStore, wanted: string): Promise<KeyList> {
  const member = await knownMember(members, wanted, "id");
  const data = (await members.keys(member.id)).map(({ id, defaultPrivacy, createdAtMs, revokedAtMs }) => ({
    id,
    defaultPrivacy,
    createdAtMs,
    revokedAtMs,
  }));
  return { object: "list", data };
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
  const command = `npm run agent -- start --join ${token}`;
  return c.json({ token, member: member.id, memberName: member.name, expiresAtMs, command }, 201);
}

/** By id or name. */
async function knownMember(members: MemberStore, wanted: string, param: string): Promise<Member> {
  const member =
    (await members.member(asMemberId(wanted))) ??
    (await members.members()).find(({ name }) => name === wanted);
  if (member === undefined)
    throw notFound(`There is no member ${JSON.stringify(wanted.slice(0, 80))}.`, param);
  return member;
}
