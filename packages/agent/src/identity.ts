import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  sign,
  verify,
} from "node:crypto";
import type { KeyObject } from "node:crypto";
import { join } from "node:path";
import { asMemberId, asNodeId } from "@coop/core";
import type { MemberId, NodeId } from "@coop/core";
import { proofText, PROTOCOL_VERSION } from "@coop/protocol";
import { z } from "zod";
import { readHomeFile, writeHomeFile } from "./agent-home.ts";

/** Who this node is in its co-op, and whom it believes to be the server. */
export interface AgentIdentity {
  readonly node: NodeId;
  readonly name: string;
  readonly owner: MemberId;
  /** Where the server is, an http or https URL. */
  readonly serverUrl: string;
  /** SHA-256 of the server's SPKI DER public key, hex. */
  readonly serverId: string;
  /** Ed25519, SPKI DER, base64. */
  readonly serverPublicKey: string;
  /** Ed25519, PKCS8 DER, base64. Never leaves this machine. */
  readonly privateKey: string;
  /** The owner allowed a connection without TLS beyond this machine. */
  readonly plaintextAllowed: boolean;
}

const identitySchema = z.object({
  node: z.string().transform(asNodeId),
  name: z.string(),
  owner: z.string().transform(asMemberId),
  serverUrl: z.url(),
  serverId: z.string(),
  serverPublicKey: z.string(),
  privateKey: z.string(),
  plaintextAllowed: z.boolean(),
});

const identityPath = (home: string): string => join(home, "identity.json");

/**
 * The identity that joining left in the agent's home; null before the node has joined.
 * @throws OperationalError `file-unreadable`
 */
export function readIdentity(home: string): Promise<AgentIdentity | null> {
  return readHomeFile(identityPath(home), identitySchema, "Remove it and join again with a new token.");
}

/** Keeps the identity, readable by its owner only. */
export const writeIdentity = (home: string, identity: AgentIdentity): Promise<void> =>
  writeHomeFile(identityPath(home), identity);

export interface NodeKey {
  readonly publicKey: string;
  readonly privateKey: string;
}

/** A fresh ed25519 key pair: SPKI and PKCS8 DER, base64. */
export function createNodeKey(): NodeKey {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  return {
    publicKey: publicKey.export({ type: "spki", format: "der" }).toString("base64"),
    privateKey: privateKey.export({ type: "pkcs8", format: "der" }).toString("base64"),
  };
}

/** The agent's answer to the server's challenge, base64. */
export function signChallenge(identity: AgentIdentity, nonce: string): string {
  const key = createPrivateKey({
    key: Buffer.from(identity.privateKey, "base64"),
    type: "pkcs8",
    format: "der",
  });
  const text = proofText("agent", nonce, identity.serverId, identity.node, PROTOCOL_VERSION);
  return sign(null, Buffer.from(text), key).toString("base64");
}

/** Whether a public key (SPKI DER, base64) is the one that a server id names. */
export const isKeyOfServer = (publicKey: string, serverId: string): boolean =>
  createHash("sha256").update(Buffer.from(publicKey, "base64")).digest("hex") === serverId;

export interface ServerProof {
  /** Ed25519, SPKI DER, base64. */
  readonly publicKey: string;
  readonly serverId: string;
  readonly node: string;
  /** The nonce that the agent chose. */
  readonly nonce: string;
  /** Base64. */
  readonly signature: string;
}

/** Whether the server holds the key it names and answered this agent's challenge. False for what is no ed25519 key. */
export function isServerProven(proof: ServerProof): boolean {
  if (!isKeyOfServer(proof.publicKey, proof.serverId)) return false;
  const text = proofText("server", proof.nonce, proof.serverId, proof.node, PROTOCOL_VERSION);
  const key = importKey(proof.publicKey);
  return (
    key?.asymmetricKeyType === "ed25519" &&
    verify(null, Buffer.from(text), key, Buffer.from(proof.signature, "base64"))
  );
}

function importKey(publicKey: string): KeyObject | null {
  try {
    return createPublicKey({ key: Buffer.from(publicKey, "base64"), type: "spki", format: "der" });
  } catch {
    return null;
  }
}
