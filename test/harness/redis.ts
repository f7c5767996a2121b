export { startTestRedis, type TestRedis } from "@coop/redis/testing";
