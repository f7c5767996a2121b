import { auditLedger, OperationalError } from "@coop/core";
import type { Clock, LedgerReader, Log } from "@coop/core";
import type { Metrics } from "@coop/metrics";

export interface LedgerWatchDeps {
  readonly ledger: LedgerReader;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Pick<Metrics, "ledgerChecked">;
}

const DAY_MS = 24 * 3_600_000;
/** Between tries of a check that could not be finished. */
const AGAIN_AFTER_MS = 10 * 60_000;
/** Findings that the log names; the rest is for `coop ledger verify`. */
const MOST_LOGGED = 20;

/**
 * Checks the ledger at the start and a day after each check, at a pace that requests hardly feel, and tells log and
 * metrics what it found. A check that cannot be finished is tried again: the server serves on. Returns how to stop.
 */
export function watchLedger({ ledger, clock, log, metrics }: LedgerWatchDeps): () => void {
  let stopped = false;
  let timer: NodeJS.Timeout | null = null;

  const check = async (): Promise<void> => {
    const nowMs = clock.now();
    const { findings, findingCount, lines, accounts } = await auditLedger(ledger, nowMs);
    metrics.ledgerChecked(findingCount, nowMs);
    if (findingCount === 0) log.info({ lines, accounts }, "the ledger and the accounts agree");
    else
      log.error(
        { findingCount, findings: findings.slice(0, MOST_LOGGED) },
        "the ledger and the accounts do not agree: run `coop ledger verify`",
      );
  };
  const checkAndWait = async (): Promise<void> => {
    let nextMs = DAY_MS;
    try {
      await check();
    } catch (error) {
      if (stopped) return;
      nextMs = AGAIN_AFTER_MS;
      const level = error instanceof OperationalError ? "warn" : "error";
      log[level]({ err: error, nextMs }, "the ledger could not be checked to its end");
    }
    if (!stopped) timer = setTimeout(() => void checkAndWait(), nextMs);
  };

  void checkAndWait();
  return () => {
    stopped = true;
    if (timer !== null) clearTimeout(timer);
  };
}
