import { afterAll, beforeAll, expect, test } from "vitest";
import { openConnection } from "./connection.ts";
import { startTestRedis, type TestRedis } from "./testing/index.ts";

const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
let server: TestRedis;

beforeAll(async () => {
  server = await startTestRedis();
});
afterAll(() => server.stop());

test("commands of one turn leave in one piece, in order, each with its own answer", async () => {
  const redis = openConnection({ kind: "socket", path: server.socketPath }, "request", "test", silent);
  await redis.connect();
  const asked = Array.from({ length: 200 }, () => redis.incr("count"));
  const wrong = redis.lpush("count", "x").catch(String);
  expect(redis.stream.writableCorked).toBe(1);
  expect(await Promise.all(asked)).toEqual(Array.from({ length: 200 }, (_, index) => index + 1));
  expect(await wrong).toMatch(/WRONGTYPE/);
  expect(redis.stream.writableCorked).toBe(0);
  redis.disconnect();
});

test("a connection that is replaced under a turn's commands answers the next ones", async () => {
  const redis = openConnection({ kind: "socket", path: server.socketPath }, "steady", "test", silent);
  await redis.connect();
  const asked = redis.set("kept", "1");
  redis.disconnect(true);
  expect(await asked).toBe("OK");
  expect(await Promise.all([redis.get("kept"), redis.ping()])).toEqual(["1", "PONG"]);
  redis.disconnect();
});
