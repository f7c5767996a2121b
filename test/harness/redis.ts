export { startTestRedis } from "@coop/redis/testing";
