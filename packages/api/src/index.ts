/** The HTTP surface: authentication, admission, dialects, jobs, fleet and administration, over ports. */
export * from "./app.ts";
export { createMonitoring } from "./monitoring.ts";
export { createAuditTrail } from "./audit/trail.ts";
export type { AuditTrail } from "./audit/trail.ts";
export * from "./api-key.ts";
export * from "./deps.ts";
export * from "./ids.ts";
