import { z } from "zod";

/** `DELETE /admin/members/:id`: what was erased now; a second time finds nothing more. */
export const erasureViewSchema = z.object({
  object: z.literal("coop.erasure"),
  member: z.string(),
  /** What the member is called from now on. */
  name: z.string(),
  jobs: z.number().int(),
  keys: z.number().int(),
  nodes: z.number().int(),
  /** Of the file in which Redis writes down every change: rewritten now without what was removed, or kept as it is. */
  journal: z.enum(["rewriting", "kept", "none"]),
});
export type ErasureView = z.infer<typeof erasureViewSchema>;
