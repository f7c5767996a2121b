import type { NodeIdentity } from "../fleet/node.ts";
import type { MemberId, NodeId, Privacy, Tier } from "../terms.ts";

export type Role = "member" | "operator";

export interface Member {
  readonly id: MemberId;
  readonly name: string;
  readonly role: Role;
  /** Tokens a calendar month, null for no limit. */
  readonly quotaTokens: number | null;
  /** Weight in the fair order, 1 for an equal share. */
  readonly weight: number;
  readonly defaultTier: Tier;
  readonly createdAtMs: number;
}

/** An API key as stored: its secret only as an HMAC. */
export interface KeyRecord {
  readonly id: string;
  readonly member: MemberId;
  /** HMAC-SHA256 of the secret with the co-op's pepper, hex. */
  readonly digest: string;
  readonly defaultPrivacy: Privacy;
  readonly createdAtMs: number;
  readonly revokedAtMs: number | null;
}

export interface MemberStore {
  /** False when the name or id is taken. */
  addMember(member: Member): Promise<boolean>;
  member(id: MemberId): Promise<Member | null>;
  members(): Promise<readonly Member[]>;
  addKey(key: KeyRecord): Promise<void>;
  /** Key and member in one round trip; null for an unknown id. */
  key(id: string): Promise<{ readonly key: KeyRecord; readonly member: Member } | null>;
  keys(member: MemberId): Promise<readonly KeyRecord[]>;
  /** False when unknown. */
  revokeKey(id: string, nowMs: number): Promise<boolean>;
}

/** A one-time token with which a node joins; its secret only as a digest. */
export interface JoinToken {
  readonly id: string;
  readonly digest: string;
  readonly member: MemberId;
  readonly expiresAtMs: number;
}

/** A node's registration. */
export interface NodeRegistration extends NodeIdentity {
  /** Ed25519, SPKI DER, base64. */
  readonly publicKey: string;
  readonly joinedAtMs: number;
  readonly revokedAtMs: number | null;
}

export type RedeemOutcome =
  | { readonly kind: "joined"; readonly node: NodeRegistration }
  | { readonly kind: "unknown" | "used" | "expired" };

export interface NodeRegistry {
  addJoinToken(token: JoinToken): Promise<void>;
  /** Spends the token and registers the node for the token's member, in one step. A name that the member uses already gets a number behind it. */
  redeem(
    tokenId: string,
    digest: string,
    node: { readonly id: NodeId; readonly name: string; readonly publicKey: string },
    nowMs: number,
  ): Promise<RedeemOutcome>;
  node(id: NodeId): Promise<NodeRegistration | null>;
  nodes(): Promise<readonly NodeRegistration[]>;
  /** Marks it revoked and wakes the scheduler, which closes its socket. False when unknown. */
  revokeNode(id: NodeId, nowMs: number): Promise<boolean>;
}
