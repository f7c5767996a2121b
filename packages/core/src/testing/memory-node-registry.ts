import type { Wake } from "../ports/job-store.ts";
import type { JoinToken, NodeRegistration, NodeRegistry } from "../ports/membership.ts";
import type { MemberId, NodeId } from "../terms.ts";

/** A node registry in memory, with what erasing a member does to it. */
export interface MemoryNodeRegistry extends NodeRegistry {
  /** Gives a node another name. */
  rename(node: NodeId, name: string): void;
  /** Removes the member's join tokens. */
  forgetTokens(member: MemberId): void;
}

/** @param publish is told of a node that was revoked or drained, as the memory wake-ups' `publish` wants to be */
export function createMemoryNodeRegistry(publish: (wake: Wake) => void): MemoryNodeRegistry {
  const tokens = new Map<string, { readonly token: JoinToken; readonly used: boolean }>();
  const nodes = new Map<NodeId, NodeRegistration>();

  const freeName = (owner: MemberId, wanted: string): string => {
    const taken = new Set(
      [...nodes.values()]
        .filter((node) => node.owner === owner && node.revokedAtMs === null)
        .map(({ name }) => name),
    );
    for (let number = 1; ; number += 1) {
      const name = number === 1 ? wanted : `${wanted}-${number}`;
      if (!taken.has(name)) return name;
    }
  };

  return {
    rename(id, name) {
      const node = nodes.get(id);
      if (node !== undefined) nodes.set(id, { ...node, name });
    },
    forgetTokens(member) {
      for (const [id, { token }] of tokens) if (token.member === member) tokens.delete(id);
    },
    async addJoinToken(token) {
      tokens.set(token.id, { token, used: false });
    },
    async redeem(tokenId, digest, node, nowMs) {
      const known = tokens.get(tokenId);
      if (known === undefined || known.token.digest !== digest) return { kind: "unknown" };
      if (known.used) return { kind: "used" };
      if (nowMs >= known.token.expiresAtMs) return { kind: "expired" };
      tokens.set(tokenId, { ...known, used: true });
      const owner = known.token.member;
      const registration = {
        ...node,
        owner,
        name: freeName(owner, node.name),
        joinedAtMs: nowMs,
        revokedAtMs: null,
        drainedAtMs: null,
        offer: null,
      };
      nodes.set(node.id, registration);
      return { kind: "joined", node: registration };
    },
    async node(id) {
      return nodes.get(id) ?? null;
    },
    async nodes() {
      return [...nodes.values()].sort((a, b) => a.joinedAtMs - b.joinedAtMs || (a.id < b.id ? -1 : 1));
    },
    async recordOffer(id, offer) {
      const node = nodes.get(id);
      if (node !== undefined) nodes.set(id, { ...node, offer });
      return node !== undefined;
    },
    async drainNode(id, atMs) {
      const node = nodes.get(id);
      if (node === undefined) return false;
      nodes.set(id, { ...node, drainedAtMs: atMs === null ? null : (node.drainedAtMs ?? atMs) });
      publish({ kind: "node-drained", node: id });
      return true;
    },
    async revokeNode(id, nowMs) {
      const node = nodes.get(id);
      if (node === undefined) return false;
      nodes.set(id, { ...node, revokedAtMs: node.revokedAtMs ?? nowMs });
      publish({ kind: "node-revoked", node: id });
      return true;
    },
  };
}
