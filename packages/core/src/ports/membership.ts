import type { MemberLimits } from "../budget/quota.ts";
import type { NodeIdentity } from "../fleet/node.ts";
import type { NodeOffer } from "../fleet/offer.ts";
import type { MemberId, NodeId, Privacy, Tier } from "../terms.ts";

export type Role = "member" | "operator";

export interface Member {
  readonly id: MemberId;
  readonly name: string;
  readonly role: Role;
  readonly limits: MemberLimits;
  /** Weight in the fair order, 1 for an equal share. */
  readonly weight: number;
  readonly defaultTier: Tier;
  readonly createdAtMs: number;
  /** Since when the member's keys are refused; null while they serve. */
  readonly disabledAtMs: number | null;
}

/** An API key as stored: its secret only as an HMAC. */
export interface KeyRecord {
  readonly id: string;
  readonly member: MemberId;
  /** HMAC-SHA256 of the secret with the co-op's pepper, hex. */
  readonly digest: string;
  readonly defaultPrivacy: Privacy;
  readonly createdAtMs: number;
  /** From when on it is refused; null for never. */
  readonly expiresAtMs: number | null;
  /** Within a minute of the last request with it; null when it was never used. */
  readonly lastUsedAtMs: number | null;
  readonly revokedAtMs: number | null;
}

/** A use of a key is written down when the last one written is as old as this, ms. */
export const KEY_USE_EVERY_MS = 60_000;

/** `last-operator`: nobody could run the co-op any more, so nothing changed. */
export type DisableOutcome = "disabled" | "unknown" | "last-operator";

/** What an operator may change of a member. */
export type MemberChange = Partial<Pick<Member, "limits" | "weight" | "defaultTier" | "name">>;

export interface MemberStore {
  /** False when the id is taken, or the name: names that differ only by case are the same. */
  addMember(member: Member): Promise<boolean>;
  member(id: MemberId): Promise<Member | null>;
  members(): Promise<readonly Member[]>;
  /** All of the change, or nothing of it. */
  setMember(id: MemberId, change: MemberChange): Promise<"set" | "unknown" | "name-taken">;
  /** From this answer on, no job of the member is admitted. Again: the first time stands. */
  disableMember(id: MemberId, nowMs: number): Promise<DisableOutcome>;
  /** False when unknown. */
  enableMember(id: MemberId): Promise<boolean>;
  addKey(key: KeyRecord): Promise<void>;
  /** Key and member in one round trip; null for an unknown id. */
  key(id: string): Promise<{ readonly key: KeyRecord; readonly member: Member } | null>;
  keys(member: MemberId): Promise<readonly KeyRecord[]>;
  /** From this answer on, no job asked for with the key is admitted. False when unknown. */
  revokeKey(id: string, nowMs: number): Promise<boolean>;
  /** Lets a key expire at a time, unless it does so earlier. False when unknown. */
  limitKey(id: string, expiresAtMs: number): Promise<boolean>;
  /** Writes a use down, unless one less than KEY_USE_EVERY_MS older is there. An unknown key changes nothing. */
  keyUsed(id: string, nowMs: number): Promise<void>;
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
  /** Since when it takes nothing new on an operator's word; null while it may. */
  readonly drainedAtMs: number | null;
  /** What it last said that it can make; null before it said anything. */
  readonly offer: NodeOffer | null;
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
  /** Writes down what a node offers. False when the node is unknown. */
  recordOffer(id: NodeId, offer: NodeOffer): Promise<boolean>;
  /** Marks it drained from a time on, or for null as serving again, and wakes the scheduler. False when unknown. Again: the first time stands. */
  drainNode(id: NodeId, atMs: number | null): Promise<boolean>;
  /** Marks it revoked and wakes the scheduler, which closes its socket. False when unknown. */
  revokeNode(id: NodeId, nowMs: number): Promise<boolean>;
}
