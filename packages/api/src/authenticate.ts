import type { Clock, MemberStore } from "@coop/core";
import type { MiddlewareHandler } from "hono";
import { parseKey, secretMatches } from "./api-key.ts";
import type { ApiContext, ApiEnv, Caller } from "./deps.ts";
import type { KeyUse } from "./key-use.ts";
import { assertFromOwnPage } from "./page/cookie.ts";
import type { SessionCookie } from "./page/cookie.ts";
import type { Sessions } from "./page/session.ts";
import { ProblemError } from "./problem.ts";

export interface AuthenticationDeps {
  readonly members: MemberStore;
  readonly pepper: Uint8Array;
  readonly clock: Clock;
  readonly sessions: Sessions;
  readonly cookie: SessionCookie;
}

/** Finds out who calls. Every answer asks the store, so that a revocation acts at once. */
export interface Authentication {
  /** @throws ProblemError for what is no key that serves; a mistyped one is refused without asking */
  byKey(text: string): Promise<Caller>;
  /** Whom the page's session stands for; null without one. @throws ProblemError when its key no longer serves, or another site asks */
  bySession(c: ApiContext): Promise<Caller | null>;
}

export function createAuthentication(deps: AuthenticationDeps): Authentication {
  return {
    byKey: (text) => identify(deps, text),
    async bySession(c) {
      const session = deps.cookie.read(c);
      const keyId = session === null ? null : deps.sessions.open(session, deps.clock.now());
      if (keyId === null) return null;
      assertFromOwnPage(c);
      const known = await deps.members.key(keyId);
      const refused = known === null ? unknownKey() : refusalOf(known, deps.clock.now());
      if (refused !== null) throw refused;
      return known;
    },
  };
}

/** Lets in who holds a key, as `Authorization: Bearer` or `x-api-key`, or is signed in on the co-op's page. */
export function authenticate(authentication: Authentication, keyUse: KeyUse): MiddlewareHandler<ApiEnv> {
  return async (c, next) => {
    const text = presentedKey(c);
    const caller =
      (text === null ? await authentication.bySession(c) : null) ?? (await authentication.byKey(text ?? ""));
    keyUse.note(caller.key);
    c.set("caller", caller);
    await next();
  };
}

/** Lets in operators only; stands behind `authenticate`. */
export const operatorsOnly: MiddlewareHandler<ApiEnv> = async (c, next) => {
  if (c.get("caller").member.role !== "operator") {
    throw new ProblemError(403, {
      code: "operators_only",
      message: "This needs an operator's key; yours is a member's.",
    });
  }
  await next();
};

function presentedKey(c: ApiContext): string | null {
  const bearer = /^Bearer\s+(\S+)\s*$/i.exec(c.req.header("authorization") ?? "");
  return bearer?.[1] ?? c.req.header("x-api-key")?.trim() ?? null;
}

async function identify(deps: AuthenticationDeps, text: string): Promise<Caller> {
  if (text === "") {
    throw refusal(
      "missing_api_key",
      "No API key. Send `Authorization: Bearer coop_...` or `x-api-key: coop_...`.",
    );
  }
  const parts = parseKey(text);
  if (parts === null) {
    throw refusal(
      "malformed_api_key",
      "This is no complete API key: a character is wrong or missing. Copy it again.",
    );
  }
  const known = await deps.members.key(parts.id);
  if (known === null || !secretMatches(deps.pepper, parts.secret, known.key.digest)) {
    throw unknownKey();
  }
  const refused = refusalOf(known, deps.clock.now());
  if (refused !== null) throw refused;
  return known;
}

const unknownKey = (): ProblemError =>
  refusal("unknown_api_key", "This API key is not known here. Ask an operator of this co-op for one.");

/** Why a known key does not serve; null when it does. */
export function refusalOf({ key, member }: Caller, nowMs: number): ProblemError | null {
  if (key.revokedAtMs !== null) {
    return refusal(
      "revoked_api_key",
      "This API key was revoked. Ask an operator of this co-op for a new one.",
    );
  }
  if (key.expiresAtMs !== null && key.expiresAtMs <= nowMs) {
    return refusal(
      "expired_api_key",
      "This API key has expired. Ask an operator of this co-op for a new one.",
    );
  }
  if (member.disabledAtMs === null) return null;
  return new ProblemError(403, {
    code: "member_disabled",
    message: "Your membership is disabled. Ask an operator of this co-op to enable it.",
    param: "Authorization",
  });
}

const refusal = (code: string, message: string): ProblemError =>
  new ProblemError(401, { code, message, param: "Authorization" });
