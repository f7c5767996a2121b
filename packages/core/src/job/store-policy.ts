import { DEFAULT_SETTINGS } from "../settings.ts";
import type { Tier } from "../terms.ts";

/** How long a job store keeps what it has, and how much of it. */
export interface StorePolicy {
  /** Payload, output and placement of a job that has ended, ms. */
  readonly retentionMs: number;
  /** The record of a job that has ended, ms. */
  readonly jobKeptMs: number;
  /** How long an idempotency key answers its job at least, ms; it does so until the job's deadline in any case. */
  readonly idempotencyMs: number;
  /** After its job's deadline, how long a fenced-off attempt may still say what it used, ms. */
  readonly zombieGraceMs: number;
  /** A node's accounts of a month and its days, from the month's first lease on, ms. */
  readonly nodeAccountKeptMs: number;
  /** Most output that a job may produce: bytes of its deltas as JSON. */
  readonly outputBytesMax: number;
  /** Most jobs of each kind that one sweep handles. */
  readonly sweepMax: number;
  /** Credit for the owner of a node that served another member, in thousandths of a token a charged token. */
  readonly creditPerMille: Readonly<Record<Tier, number>>;
}

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

export const defaultStorePolicy: StorePolicy = {
  retentionMs: DAY_MS,
  jobKeptMs: 30 * DAY_MS,
  idempotencyMs: DAY_MS,
  zombieGraceMs: 60_000,
  nodeAccountKeptMs: 93 * DAY_MS,
  outputBytesMax: 16 * 1024 * 1024,
  sweepMax: 500,
  creditPerMille: DEFAULT_SETTINGS.contribution.creditPerMille,
};
