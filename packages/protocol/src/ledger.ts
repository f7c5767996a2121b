import { z } from "zod";

const tokens = z.number().int();

/** A line of the ledger: the tokens that a settlement moved to and from accounts, which sum to zero. */
export const ledgerLineSchema = z.object({
  /** Where it stands; grows from line to line. */
  position: z.string(),
  /** How a job ended or the hold of a node did, `refunded` or `granted`. */
  kind: z.string(),
  /** Null when it was granted; then `grant` is its id. */
  job: z.string().nullable(),
  grant: z.string().nullable(),
  epoch: z.number().int(),
  member: z.string(),
  month: z.string(),
  /** Null with its day when no attempt was on a node. */
  node: z.string().nullable(),
  day: z.string().nullable(),
  /** Whose credit grows by `toCredit`. */
  owner: z.string().nullable(),
  atMs: z.number(),
  toMember: tokens,
  toNode: tokens,
  toWaste: tokens,
  toAbsorbed: tokens,
  toCredit: tokens,
  toGrant: tokens,
});

/** `GET /admin/ledger`: lines, oldest first. `nextCursor` is the position to go on after, null after the last. */
export const ledgerListSchema = z.object({
  object: z.literal("list"),
  data: z.array(ledgerLineSchema),
  nextCursor: z.string().nullable(),
});
export type LedgerList = z.infer<typeof ledgerListSchema>;

const drift = { ledgerTokens: tokens, accountTokens: tokens };

/** `GET /admin/ledger/verify`: what recomputing every balance from the ledger found. */
export const ledgerAuditSchema = z.object({
  object: z.literal("coop.ledger-audit"),
  atMs: z.number(),
  lines: z.number().int(),
  /** Accounts that were compared. */
  accounts: z.number().int(),
  /** Accounts of nodes that are past their keeping. */
  agedOut: z.number().int(),
  /** Empty when the books are right. */
  findings: z.array(
    z.discriminatedUnion("kind", [
      z.object({ kind: z.literal("unbalanced"), position: z.string(), of: z.string(), sumTokens: tokens }),
      z.object({
        kind: z.enum(["member-drift", "credit-drift"]),
        member: z.string(),
        month: z.string(),
        ...drift,
      }),
      z.object({ kind: z.literal("node-drift"), node: z.string(), period: z.string(), ...drift }),
      z.object({
        kind: z.literal("usage-drift"),
        member: z.string(),
        month: z.string(),
        usageTokens: tokens,
        accountTokens: tokens,
      }),
      z.object({
        kind: z.literal("sums-drift"),
        member: z.string(),
        month: z.string(),
        wrongSums: z.number().int(),
      }),
    ]),
  ),
  /** In all, of which the first are listed. */
  findingCount: z.number().int(),
});
export type LedgerAuditView = z.infer<typeof ledgerAuditSchema>;
