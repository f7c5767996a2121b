import { createHash } from "node:crypto";
import { PRIVACIES } from "@coop/core";
import type { Privacy } from "@coop/core";
import type { ApiContext } from "./deps.ts";
import { badRequest } from "./problem.ts";

/** What a request says in its headers beside its body. */
export interface RequestOptions {
  readonly privacy: Privacy;
  /** Opaque name of the conversation, null when the member's tool names none. */
  readonly session: string | null;
  readonly idempotency: { readonly key: string; readonly bodyHash: string } | null;
}

const digest = (...parts: readonly string[]): string =>
  createHash("sha256").update(JSON.stringify(parts)).digest("hex");

/**
 * Reads the headers `X-Coop-Privacy`, `Idempotency-Key`, and `x-session-affinity` or `x-session-id`.
 * Keys and session names are a member's own words: they go on as digests that are theirs alone.
 * @throws ProblemError 400 that names the header
 */
export function readOptions(c: ApiContext, bodyText: string, conversation: string | null): RequestOptions {
  const { member, key } = c.get("caller");
  const privacy = readPrivacy(c.req.header("x-coop-privacy")) ?? key.defaultPrivacy;
  const session = c.req.header("x-session-affinity") ?? c.req.header("x-session-id") ?? conversation;
  return {
    privacy,
    session: session === null ? null : digest(member.id, session).slice(0, 32),
    idempotency: readIdempotency(c, [c.req.path, privacy, bodyText]),
  };
}

function readPrivacy(text: string | undefined): Privacy | null {
  if (text === undefined) return null;
  const privacy = PRIVACIES.find((candidate) => candidate === text.trim().toLowerCase());
  if (privacy === undefined)
    throw badRequest(`X-Coop-Privacy must be one of ${PRIVACIES.join(", ")}.`, "X-Coop-Privacy");
  return privacy;
}

/**
 * The member's own name for what they ask, as a digest that is theirs alone; null when it has none.
 * @throws ProblemError 400 that names the header
 */
export function readIdempotencyKey(c: ApiContext): string | null {
  const key = c.req.header("idempotency-key");
  if (key === undefined) return null;
  if (key.length === 0 || key.length > 255)
    throw badRequest("Idempotency-Key must have 1 to 255 characters.", "Idempotency-Key");
  return digest(c.get("caller").member.id, key);
}

function readIdempotency(c: ApiContext, body: readonly string[]): RequestOptions["idempotency"] {
  const key = readIdempotencyKey(c);
  return key === null ? null : { key, bodyHash: digest(...body) };
}
