import { createHmac, timingSafeEqual } from "node:crypto";

/** How long a person stays signed in on the co-op's page, ms. */
export const SESSION_MS = 12 * 3_600_000;

/**
 * Sessions of the co-op's page. A session names an API key and when it ends, sealed with the co-op's pepper; nothing
 * of it is stored. Whoever opens one still asks the store for the key, so that revoking the key ends the session.
 */
export interface Sessions {
  /** What a browser keeps for a key, from now on. */
  seal(keyId: string, nowMs: number): string;
  /** The id of the key that a session names; null when it has ended or was not sealed here. */
  open(session: string, nowMs: number): string | null;
}

export function createSessions(pepper: Uint8Array): Sessions {
  const proof = (text: string): Buffer =>
    createHmac("sha256", pepper).update(`coop-page-session\n${text}`).digest();
  return {
    seal(keyId, nowMs) {
      const text = `${keyId}.${nowMs + SESSION_MS}`;
      return `${text}.${proof(text).toString("base64url")}`;
    },
    open(session, nowMs) {
      const [, text = "", keyId = "", endsAtMs = "", seal = ""] =
        /^((\w+)\.(\d+))\.([\w-]+)$/.exec(session) ?? [];
      const expected = proof(text);
      const given = Buffer.from(seal, "base64url");
      if (given.length !== expected.length || !timingSafeEqual(given, expected)) return null;
      return nowMs < Number(endsAtMs) ? keyId : null;
    },
  };
}
