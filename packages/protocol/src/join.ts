import { asMemberId, asNodeId } from "@coop/core";
import { z } from "zod";

/**
 * What a join token carries, as base64url JSON behind `coopjoin_`: where the server is, who it is (SHA-256
 * of its SPKI DER public key, hex), and the one-time secret.
 */
export const joinTicketSchema = z.object({
  url: z.url(),
  serverId: z.string().regex(/^[0-9a-f]{64}$/),
  id: z.string().min(1),
  secret: z.string().min(16),
});
export type JoinTicket = z.infer<typeof joinTicketSchema>;

/** What a join token begins with. */
export const JOIN_TOKEN_PREFIX = "coopjoin_";
/** Where a join token is exchanged for a node's registration. */
export const JOIN_PATH = "/nodes/join";
/** `code` of the problem that answers a join whose token does not serve. */
export const JOIN_REFUSALS = {
  expired: "join_token_expired",
  used: "join_token_used",
  unknown: "join_token_unknown",
} as const;

/** `POST /nodes/join`. */
export const joinRequestSchema = z.object({
  id: z.string().min(1).max(64),
  secret: z.string().min(16).max(100),
  name: z.string().min(1).max(60),
  /** Ed25519, SPKI DER, base64. */
  publicKey: z.string().min(40).max(200),
  /** The agent's challenge: `signature` of the answer is over `proofText("server", nonce, serverId, node, version)`. */
  nonce: z.string().min(16).max(100),
});
export type JoinRequest = z.infer<typeof joinRequestSchema>;

export const joinResponseSchema = z.object({
  node: z.string().transform(asNodeId),
  name: z.string(),
  owner: z.string().transform(asMemberId),
  serverId: z.string(),
  /** Ed25519, SPKI DER, base64; its SHA-256 is `serverId`. */
  serverPublicKey: z.string(),
  signature: z.string(),
});
export type JoinResponse = z.infer<typeof joinResponseSchema>;
