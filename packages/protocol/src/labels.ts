import { z } from "zod";

/** The member's own labels; kept with the job and shown in its view. */
export const labelsSchema = z
  .record(z.string().min(1).max(64), z.string().max(512))
  .refine((labels) => Object.keys(labels).length <= 16, "at most 16 labels");
