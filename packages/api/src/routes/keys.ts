import type { Clock, JobDesk, KeyRecord, MemberStore } from "@coop/core";
import { createKeyRequestSchema, rotateKeyRequestSchema } from "@coop/protocol";
import type { CreatedKey, KeyList } from "@coop/protocol";
import { Hono } from "hono";
import { digestSecret, keyPrefix, makeKey } from "../api-key.ts";
import type { ApiContext, ApiEnv, Caller } from "../deps.ts";
import type { Ids } from "../ids.ts";
import { knownMember } from "../known-member.ts";
import { notFound, ProblemError } from "../problem.ts";
import { parseBody, readJson } from "../request-body.ts";

export interface KeyRoutesDeps {
  readonly clock: Clock;
  readonly ids: Ids;
  readonly members: MemberStore;
  readonly desk: JobDesk;
  /** Key of the HMAC under which secrets are stored. */
  readonly pepper: Uint8Array;
}

/** `/admin/members/:id/keys` and `/admin/keys`: members' API keys, each shown once. */
export function keyRoutes(deps: KeyRoutesDeps): Hono<ApiEnv> {
  const routes = new Hono<ApiEnv>();
  routes.post("/members/:id/keys", async (c) => createKey(deps, c));
  routes.get("/members/:id/keys", async (c) => c.json(await listKeys(deps.members, c.req.param("id"))));
  routes.post("/keys/:id/rotate", async (c) => rotateKey(deps, c));
  routes.delete("/keys/:id", async (c) => {
    await revoke(deps, await namedKey(deps, c));
    return c.body(null, 204);
  });
  return routes;
}

async function createKey(deps: KeyRoutesDeps, c: ApiContext): Promise<Response> {
  const member = await knownMember(deps.members, c.req.param("id") ?? "", "id");
  const request = parseBody(createKeyRequestSchema, (await readJson(c)).value);
  const { defaultPrivacy, expiresInSeconds } = request;
  const expiresAtMs = expiresInSeconds === undefined ? null : deps.clock.now() + expiresInSeconds * 1000;
  return c.json(await issue(deps, { member: member.id, defaultPrivacy, expiresAtMs }), 201);
}

async function issue(
  { clock, ids, members, pepper }: KeyRoutesDeps,
  wanted: Pick<KeyRecord, "member" | "defaultPrivacy" | "expiresAtMs">,
): Promise<CreatedKey> {
  const id = ids.key();
  const { text, secret } = makeKey(id, ids.secret());
  await members.addKey({
    ...wanted,
    id,
    digest: digestSecret(pepper, secret),
    createdAtMs: clock.now(),
    lastUsedAtMs: null,
    revokedAtMs: null,
  });
  return { id, key: text, member: wanted.member, expiresAtMs: wanted.expiresAtMs };
}

/** The new key lives as long as the old one was given, counted from now. */
async function rotateKey(deps: KeyRoutesDeps, c: ApiContext): Promise<Response> {
  const old = await namedKey(deps, c);
  const { overlapSeconds } = parseBody(rotateKeyRequestSchema, (await readJson(c)).value);
  const nowMs = deps.clock.now();
  const { member, defaultPrivacy, expiresAtMs, createdAtMs, revokedAtMs } = old.key;
  if (revokedAtMs !== null) {
    throw new ProblemError(409, {
      code: "key_revoked",
      param: "id",
      message: "This key was revoked; there is nothing to replace. Make a new one for the member.",
      repeat: false,
    });
  }
  const created = await issue(deps, {
    member,
    defaultPrivacy,
    expiresAtMs: expiresAtMs === null ? null : nowMs + (expiresAtMs - createdAtMs),
  });
  if (overlapSeconds === 0) await revoke(deps, old);
  else await deps.members.limitKey(old.key.id, nowMs + overlapSeconds * 1000);
  return c.json(created, 201);
}

/** The mark comes first: what is admitted until then is cancelled with the rest, and after it nothing is. */
async function revoke({ clock, members, desk }: KeyRoutesDeps, { key, member }: Caller): Promise<void> {
  await members.revokeKey(key.id, clock.now());
  await desk.cancelAttached(member.id, key.id, clock.now());
}

async function namedKey({ members }: KeyRoutesDeps, c: ApiContext): Promise<Caller> {
  const id = c.req.param("id") ?? "";
  const known = await members.key(id);
  if (known === null) throw notFound(`There is no key ${JSON.stringify(id.slice(0, 80))}.`, "id");
  return known;
}

async function listKeys(members: MemberStore, wanted: string): Promise<KeyList> {
  const member = await knownMember(members, wanted, "id");
  const data = (await members.keys(member.id)).map(
    ({ id, defaultPrivacy, createdAtMs, expiresAtMs, lastUsedAtMs, revokedAtMs }) => ({
      id,
      prefix: keyPrefix(id),
      defaultPrivacy,
      createdAtMs,
      expiresAtMs,
      lastUsedAtMs,
      revokedAtMs,
    }),
  );
  return { object: "list", data };
}
