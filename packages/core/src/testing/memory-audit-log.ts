import type { AuditEntry, AuditLog } from "../ports/audit-log.ts";

/** An audit log in memory. `entries` is what it holds, for tests that do to it what nobody should. */
export function createMemoryAuditLog(entries: AuditEntry[] = []): AuditLog {
  return {
    last: async () => entries.at(-1) ?? null,
    async append(entry) {
      const last = entries.at(-1) ?? null;
      const follows = last === null ? entry.seq === 1 : entry.previousHash === last.hash;
      if (!follows) return "stale";
      entries.push(entry);
      return "appended";
    },
    page: async (after, limit) => entries.slice(after, after + limit),
  };
}
