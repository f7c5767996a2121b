import { z } from "zod";

/** An operator's act as the audit log has it, or how it ended. */
export const auditEntrySchema = z.object({
  seq: z.number(),
  atMs: z.number(),
  /** Member id; `server` for what the server does by itself. */
  actor: z.string(),
  /** Id of the key that was used. */
  key: z.string().nullable(),
  act: z.string(),
  target: z.string().nullable(),
  phase: z.enum(["asked", "done", "refused"]),
  /** The entry that this one answers. */
  of: z.number().nullable(),
  /** JSON text. */
  detail: z.string(),
  previousHash: z.string(),
  hash: z.string(),
});
export type AuditEntryView = z.infer<typeof auditEntrySchema>;

/** `GET /admin/audit`: entries, oldest first. `nextCursor` is what to give as `after` for the next page. */
export const auditListSchema = z.object({
  object: z.literal("list"),
  data: z.array(auditEntrySchema),
  nextCursor: z.number().int().nullable(),
});
export type AuditList = z.infer<typeof auditListSchema>;

const seq = z.number();

/** `GET /admin/audit/verify`: whether the chain of entries is whole. */
export const auditVerificationSchema = z.object({
  object: z.literal("coop.audit-verification"),
  entries: z.number().int(),
  /** The last entry: written down elsewhere, its hash shows later whether the log was cut. Null: no entry. */
  head: z.object({ seq, hash: z.string() }).nullable(),
  /** Acts without an answer: under way, or their outcome is not known. */
  unanswered: z.array(seq),
  /** Empty when the chain is whole. */
  findings: z.array(
    z.discriminatedUnion("kind", [
      z.object({ kind: z.enum(["altered", "misplaced", "unlinked"]), seq }),
      z.object({ kind: z.literal("missing"), fromSeq: seq, toSeq: seq }),
      z.object({ kind: z.literal("head-missing"), hash: z.string() }),
    ]),
  ),
});
export type AuditVerificationView = z.infer<typeof auditVerificationSchema>;
