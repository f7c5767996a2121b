/** A real Redis for tests, and the parts that a contract suite opens one by one: the only door besides the package's own. */
export * from "./test-redis.ts";
export { createAccounting } from "../accounting.ts";
export { unpackDebianPackage } from "../debian-packages.ts";
export { createErasures } from "../erasures.ts";
export { withExclusiveLock } from "../exclusive-lock.ts";
export { createFleetBoard } from "../fleet-board.ts";
export { createJobStore } from "../job-store.ts";
export { createKeys } from "../keys.ts";
export { createLedgerReader } from "../ledger.ts";
export { createMemberStore } from "../membership.ts";
export { createNodeRegistry } from "../node-registry.ts";
export { obtainRedis } from "../obtain-redis.ts";
export { createOutputLog } from "../output-log.ts";
export { createScripts } from "../script.ts";
export { createUsageReader } from "../usage.ts";
