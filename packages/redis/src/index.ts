/** Everything the co-op keeps in Redis, behind the ports of core. The only importer of ioredis and bullmq. */
export { startEmbeddedRedis, type EmbeddedRedis, type EmbeddedRedisOptions } from "./embedded.ts";
