import type { CoopSettings, StorePolicy } from "@coop/core";
import { LONGEST_DEADLINE_SECONDS } from "@coop/protocol";

const DAY_MS = 24 * 3_600_000;

/** How long what nobody reads is kept in a co-op that keeps only what is not delivered yet. */
const UNREAD_KEPT_MS = DAY_MS;

/** What the settings leave of the store's usual policy. */
export const storePolicy = ({ retentionMs, contribution }: CoopSettings): Partial<StorePolicy> => ({
  retentionMs: keptAtMostMs(retentionMs),
  creditPerMille: contribution.creditPerMille,
});

/**
 * The last day (`YYYY-MM-DD`, UTC) before which nothing that was encrypted is to be read any more: a prompt is
 * encrypted when it comes, waits for as long as a job may, and is kept from the job's end on.
 */
export const firstDayKept = (nowMs: number, retentionMs: number): string =>
  new Date(nowMs - LONGEST_DEADLINE_SECONDS * 1000 - keptAtMostMs(retentionMs)).toISOString().slice(0, 10);

const keptAtMostMs = (retentionMs: number): number => (retentionMs === 0 ? UNREAD_KEPT_MS : retentionMs);
