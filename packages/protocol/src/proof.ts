/**
 * The text that each side signs when a node connects: it binds the nonce to both identities, the
 * direction and the protocol version, so that no signature serves elsewhere.
 */
export const proofText = (
  side: "agent" | "server",
  nonce: string,
  serverId: string,
  nodeId: string,
  protocolVersion: number,
): string => ["coop-node-proof", side, nonce, serverId, nodeId, String(protocolVersion)].join("\n");
