import { createHmac } from "node:crypto";
import { chainEntry, createChainCheck, OperationalError } from "@coop/core";
import type { AuditDraft, AuditEntry, AuditFinding, AuditHead, AuditLog, AuditMac, Clock } from "@coop/core";

/**
 * Writes operators' acts into the audit log and checks it.
 * A1: nothing is done before the log has that it was asked for. A2: no entry holds a secret, a prompt, or a name.
 */
export interface AuditTrail {
  /**
   * Appends an entry.
   * @throws OperationalError when the store is away, or `audit-log-contended`; then nothing was written
   */
  record(act: Omit<AuditDraft, "atMs">): Promise<AuditEntry>;
  /** Entries after so many, in the order in which they stand. */
  page(after: number, limit: number): Promise<readonly AuditEntry[]>;
  /** @param knownHead hash of a head that was written down elsewhere */
  verify(knownHead: string | null): Promise<AuditVerification>;
}

export interface AuditVerification {
  readonly entries: number;
  readonly head: AuditHead | null;
  readonly unanswered: readonly number[];
  readonly findings: readonly AuditFinding[];
}

export interface AuditTrailDeps {
  readonly log: AuditLog;
  /** Key of the HMAC over each entry; it lies outside the store. */
  readonly key: Uint8Array;
  readonly clock: Clock;
}

/** Other processes may append too; each try that fails is another process's entry that came first. */
const TRIES_MOST = 50;
const VERIFY_PAGE = 500;

export function createAuditTrail({ log, key, clock }: AuditTrailDeps): AuditTrail {
  const mac: AuditMac = (text) => createHmac("sha256", key).update(text, "utf8").digest("hex");
  /** The last entry that this process knows; null: ask the store. */
  let known: AuditEntry | null = null;
  let turn: Promise<unknown> = Promise.resolve();

  const append = async (act: Omit<AuditDraft, "atMs">): Promise<AuditEntry> => {
    for (let tries = 0; tries < TRIES_MOST; tries++) {
      const entry = chainEntry(known ?? (await log.last()), { ...act, atMs: clock.now() }, mac);
      if ((await log.append(entry)) === "appended") {
        known = entry;
        return entry;
      }
      known = null;
    }
    throw new OperationalError(
      "audit-log-contended",
      `The audit log took no entry in ${TRIES_MOST} tries. Check it with: coop audit verify`,
    );
  };

  return {
    record(act) {
      // One after another: each entry carries the hash of the one before.
      const entry = turn.then(() => append(act));
      turn = entry.catch(() => {
        known = null;
      });
      return entry;
    },
    page: (after, limit) => log.page(after, limit),
    async verify(knownHead) {
      const check = createChainCheck(mac, knownHead);
      for (let after = 0; ; after += VERIFY_PAGE) {
        const page = await log.page(after, VERIFY_PAGE);
        for (const entry of page) check.take(entry);
        if (page.length < VERIFY_PAGE) return check.result();
      }
    },
  };
}
