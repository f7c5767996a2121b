import { OperationalError } from "../operational-error.ts";
import type { KeyRecord, Member, MemberStore } from "../ports/membership.ts";
import type { MemberId } from "../terms.ts";

/** Members and their keys in memory. */
export function createMemoryMemberStore(): MemberStore {
  const members = new Map<MemberId, Member>();
  const keys = new Map<string, KeyRecord>();
  const oldestFirst = <T extends { readonly id: string; readonly createdAtMs: number }>(
    all: Iterable<T>,
  ): T[] => [...all].sort((a, b) => a.createdAtMs - b.createdAtMs || (a.id < b.id ? -1 : 1));

  return {
    async addMember(member) {
      const taken = members.has(member.id) || [...members.values()].some(({ name }) => name === member.name);
      if (!taken) members.set(member.id, member);
      return !taken;
    },
    async member(id) {
      return members.get(id) ?? null;
    },
    async members() {
      return oldestFirst(members.values());
    },
    async addKey(key) {
      if (keys.has(key.id)) {
        throw new OperationalError("key-exists", `An API key ${key.id} exists already; make another`, {
          retriable: true,
        });
      }
      keys.set(key.id, key);
    },
    async key(id) {
      const key = keys.get(id);
      const member = key && members.get(key.member);
      return key === undefined || member === undefined ? null : { key, member };
    },
    async keys(member) {
      return oldestFirst([...keys.values()].filter((key) => key.member === member));
    },
    async revokeKey(id, nowMs) {
      const key = keys.get(id);
      if (key === undefined) return false;
      keys.set(id, { ...key, revokedAtMs: key.revokedAtMs ?? nowMs });
      return true;
    },
  };
}
