export * from "./test-redis.ts";
export { createJobStore } from "../job-store.ts";
export { createKeys } from "../keys.ts";
export { createOutputLog } from "../output-log.ts";
export { createVault } from "../vault.ts";
