import { z } from "zod";

/** `POST /admin/snapshots`: the store as of one moment, in a file. */
export const snapshotSchema = z.object({
  object: z.literal("coop.snapshot"),
  /** On the server's machine; null where the store is kept elsewhere, whose own tools copy it. */
  path: z.string().nullable(),
});
export type SnapshotView = z.infer<typeof snapshotSchema>;

/** What the server's program says of a home that it was asked to look through, one line of JSON. */
export const homeCheckSchema = z.object({
  members: z.number().int(),
  nodes: z.number().int(),
  ledgerLines: z.number().int(),
  ledgerFindings: z.number().int(),
  auditEntries: z.number().int(),
  /** What is wrong with the audit log's chain; null when nothing is. */
  auditProblem: z.string().nullable(),
});
export type HomeCheck = z.infer<typeof homeCheckSchema>;
