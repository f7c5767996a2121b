import { createPublicKey, verify } from "node:crypto";
import type { NodeRegistration } from "@coop/core";
import { PROTOCOL_VERSION, proofText } from "@coop/protocol";
import type { Hello } from "@coop/protocol";
import { z } from "zod";
import type { Refusal } from "./node-link.ts";

export type HelloVerdict =
  | { readonly kind: "known"; readonly node: NodeRegistration }
  | { readonly kind: "refused"; readonly refusal: Refusal };

const final = (reason: Refusal["reason"], message: string): Refusal => ({
  reason,
  message,
  retryAfterMs: null,
  leader: null,
});

/** The refusal of a peer that speaks another version, null when it speaks ours. */
export function versionRefusal(spoken: number): Refusal | null {
  if (spoken === PROTOCOL_VERSION) return null;
  return final(
    "protocol-version",
    `the agent speaks protocol version ${spoken}, this server ${PROTOCOL_VERSION}: update the ${spoken < PROTOCOL_VERSION ? "agent" : "server"}`,
  );
}

const anyHello = z.object({ kind: z.literal("hello"), protocolVersion: z.number().int() });

/** The refusal of a `hello` whose shape is another version's, null when the version is not what is wrong with it. */
export function foreignHelloRefusal(text: string): Refusal | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  const hello = anyHello.safeParse(value);
  return hello.success ? versionRefusal(hello.data.protocolVersion) : null;
}

/** Whether a `hello` proves that its sender is a node of the co-op. Pure but for the signature's arithmetic. */
export function checkHello(
  hello: Hello,
  nonce: string,
  serverId: string,
  node: NodeRegistration | null,
): HelloVerdict {
  const version = versionRefusal(hello.protocolVersion);
  if (version !== null) return { kind: "refused", refusal: version };
  if (node === null) {
    return {
      kind: "refused",
      refusal: final("unknown-node", `no node ${hello.node} has joined this co-op: join with a new token`),
    };
  }
  if (
    !signedBy(
      node.publicKey,
      proofText("agent", nonce, serverId, hello.node, hello.protocolVersion),
      hello.signature,
    )
  ) {
    return {
      kind: "refused",
      refusal: final(
        "bad-signature",
        `the signature is not that of node ${hello.node}: join with a new token`,
      ),
    };
  }
  if (node.revokedAtMs !== null) {
    return {
      kind: "refused",
      refusal: final("revoked", `node ${hello.node} was revoked: ask an operator for a new token`),
    };
  }
  return { kind: "known", node };
}

function signedBy(publicKey: string, text: string, signature: string): boolean {
  const key = createPublicKey({ key: Buffer.from(publicKey, "base64"), format: "der", type: "spki" });
  return verify(null, Buffer.from(text), key, Buffer.from(signature, "base64"));
}
