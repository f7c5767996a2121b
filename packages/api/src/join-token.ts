import type { Clock, Member, NodeRegistry, ServerIdentity } from "@coop/core";
import { JOIN_TOKEN_PREFIX } from "@coop/protocol";
import type { JoinTicket } from "@coop/protocol";
import { digestSecret } from "./api-key.ts";
import type { Ids } from "./ids.ts";

/** How long a join token serves. */
export const JOIN_TOKEN_MS = 15 * 60_000;

export interface JoinTokenDeps {
  readonly clock: Clock;
  readonly ids: Ids;
  readonly nodes: NodeRegistry;
  readonly serverIdentity: ServerIdentity;
  readonly pepper: Uint8Array;
  readonly publicUrl: () => string;
}

/** Makes a token with which one node may join, once, as the member's. The store keeps a digest of its secret. */
export async function issueJoinToken(
  deps: JoinTokenDeps,
  member: Member,
): Promise<{ readonly token: string; readonly expiresAtMs: number }> {
  const secret = Buffer.from(deps.ids.secret()).toString("base64url");
  const ticket: JoinTicket = {
    url: deps.publicUrl(),
    serverId: deps.serverIdentity.serverId,
    id: deps.ids.joinToken(),
    secret,
  };
  const expiresAtMs = deps.clock.now() + JOIN_TOKEN_MS;
  await deps.nodes.addJoinToken({
    id: ticket.id,
    digest: digestSecret(deps.pepper, secret),
    member: member.id,
    expiresAtMs,
  });
  return {
    token: JOIN_TOKEN_PREFIX + Buffer.from(JSON.stringify(ticket)).toString("base64url"),
    expiresAtMs,
  };
}
