/** Everything the co-op keeps in Redis, behind the ports of core. The only importer of ioredis and bullmq. */
export { startEmbeddedRedis, type EmbeddedRedis, type EmbeddedRedisOptions } from "./embedded.ts";
export { openStores, type Stores, type StoresOptions } from "./stores.ts";
export { createVault, type Vault } from "./vault.ts";
export type { Projector } from "./projector.ts";
export type { QueueView } from "./queue-view.ts";
