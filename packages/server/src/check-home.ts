import { join } from "node:path";
import { auditLedger } from "@coop/core";
import type { Clock, Log } from "@coop/core";
import type { HomeCheck } from "@coop/protocol";
import { createAuditTrail } from "@coop/api";
import { createVault, openStores, startEmbeddedRedis } from "@coop/redis";
import { loadSecrets } from "./secrets.ts";

export interface CheckHomeOptions {
  /** A co-op's folder that no server uses, such as a copy. */
  readonly home: string;
  /** Folder for what can be fetched again, such as a Redis program. */
  readonly cache: string;
  readonly prefix: string;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * Looks through what a co-op's folder holds, with a Redis of its own on it: whether it can be read, whether the ledger
 * agrees with the accounts and whether the audit log's chain is whole.
 * @throws OperationalError when Redis or a file of the folder cannot be read
 */
export async function checkHome({ home, cache, prefix, clock, log }: CheckHomeOptions): Promise<HomeCheck> {
  await using undo = new AsyncDisposableStack();
  const { auditKey } = await loadSecrets(join(home, "server"));
  const redis = await startEmbeddedRedis({ directory: join(home, "redis"), cacheDirectory: cache, log });
  undo.defer(() => redis.stop());
  const vault = createVault({ directory: join(home, "server", "vault"), clock });
  const stores = await openStores({ socketPath: redis.socketPath, prefix, vault, clock, log });
  undo.defer(() => stores.close());
  const [members, nodes, ledger, audit] = await Promise.all([
    stores.members.members(),
    stores.nodes.nodes(),
    auditLedger(stores.ledger, clock.now()),
    createAuditTrail({ log: stores.audit, key: auditKey, clock }).verify(null),
  ]);
  const [finding] = audit.findings;
  return {
    members: members.length,
    nodes: nodes.length,
    ledgerLines: ledger.lines,
    ledgerFindings: ledger.findingCount,
    auditEntries: audit.entries,
    auditProblem: finding === undefined ? null : `${finding.kind} (${audit.findings.length} in all)`,
  };
}
