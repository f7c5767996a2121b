import { foldedName } from "../member-name.ts";
import { OperationalError } from "../operational-error.ts";
import { KEY_USE_EVERY_MS, type KeyRecord, type Member, type MemberStore } from "../ports/membership.ts";
import type { MemberId } from "../terms.ts";

/** Members and their keys in memory, and at once what a job store has to know of them. */
export interface MemoryMemberStore extends MemberStore {
  /** Whether no key of the member is refused because it was revoked or the member disabled. */
  serves(member: MemberId, key: string): boolean;
  /** Removes the member's keys, as erasing the member does. */
  forgetKeys(member: MemberId): void;
}

export function createMemoryMemberStore(): MemoryMemberStore {
  const members = new Map<MemberId, Member>();
  const keys = new Map<string, KeyRecord>();
  const oldestFirst = <T extends { readonly id: string; readonly createdAtMs: number }>(
    all: Iterable<T>,
  ): T[] => [...all].sort((a, b) => a.createdAtMs - b.createdAtMs || (a.id < b.id ? -1 : 1));

  /** Changes a key; false when it is unknown. */
  const change = (id: string, to: (key: KeyRecord) => Partial<KeyRecord>): boolean => {
    const key = keys.get(id);
    if (key !== undefined) keys.set(id, { ...key, ...to(key) });
    return key !== undefined;
  };
  const isTaken = (wanted: string, by: MemberId): boolean =>
    [...members.values()].some(({ id, name }) => id !== by && foldedName(name) === foldedName(wanted));
  const isLastOperator = (member: Member): boolean =>
    member.role === "operator" &&
    ![...members.values()].some(
      ({ id, role, disabledAtMs }) => id !== member.id && role === "operator" && disabledAtMs === null,
    );

  return {
    serves: (member, key) =>
      (members.get(member)?.disabledAtMs ?? null) === null && (keys.get(key)?.revokedAtMs ?? null) === null,
    forgetKeys(member) {
      for (const key of keys.values()) if (key.member === member) keys.delete(key.id);
    },
    async addMember(member) {
      const taken = members.has(member.id) || isTaken(member.name, member.id);
      if (!taken) members.set(member.id, member);
      return !taken;
    },
    async member(id) {
      return members.get(id) ?? null;
    },
    async members() {
      return oldestFirst(members.values());
    },
    async setMember(id, change) {
      const member = members.get(id);
      if (member === undefined) return "unknown";
      if (change.name !== undefined && isTaken(change.name, id)) return "name-taken";
      members.set(id, { ...member, ...change });
      return "set";
    },
    async disableMember(id, nowMs) {
      const member = members.get(id);
      if (member === undefined) return "unknown";
      if (member.disabledAtMs !== null) return "disabled";
      if (isLastOperator(member)) return "last-operator";
      members.set(id, { ...member, disabledAtMs: nowMs });
      return "disabled";
    },
    async enableMember(id) {
      const member = members.get(id);
      if (member !== undefined) members.set(id, { ...member, disabledAtMs: null });
      return member !== undefined;
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
      return change(id, ({ revokedAtMs }) => ({ revokedAtMs: revokedAtMs ?? nowMs }));
    },
    async limitKey(id, untilMs) {
      return change(id, ({ expiresAtMs }) => ({ expiresAtMs: Math.min(expiresAtMs ?? Infinity, untilMs) }));
    },
    async keyUsed(id, nowMs) {
      change(id, ({ lastUsedAtMs }) =>
        nowMs - (lastUsedAtMs ?? -Infinity) >= KEY_USE_EVERY_MS ? { lastUsedAtMs: nowMs } : {},
      );
    },
  };
}
