import { createHash } from "node:crypto";
import type { AuditTrail } from "@coop/api";
import type { CoopSettings } from "@coop/core";

const ACT = "settings.apply";
const PAGE = 500;
const DIGEST_LENGTH = 16;

/**
 * Writes into the audit log that other settings hold from now on, by a digest of them: who edits the file acts as an
 * operator and passes no route. Settings that held before are not written again.
 */
export async function recordSettings(audit: AuditTrail, settings: CoopSettings): Promise<void> {
  const digest = createHash("sha256").update(JSON.stringify(settings)).digest("hex").slice(0, DIGEST_LENGTH);
  if ((await lastRecorded(audit)) === digest) return;
  await audit.record({
    actor: "server",
    key: null,
    act: ACT,
    target: digest,
    phase: "done",
    of: null,
    detail: "{}",
  });
}

async function lastRecorded(audit: AuditTrail): Promise<string | null> {
  let last: string | null = null;
  for (let after = 0; ; after += PAGE) {
    // Each page begins where the one before ended.
    // oxlint-disable-next-line no-await-in-loop
    const page = await audit.page(after, PAGE);
    last = page.findLast(({ act }) => act === ACT)?.target ?? last;
    if (page.length < PAGE) return last;
  }
}
