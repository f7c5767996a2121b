import { buildNodeView } from "@coop/core/testing";
import { expect, test } from "vitest";
import { createFleetBoard } from "./fleet-board.ts";
import { createKeys } from "./keys.ts";
import { startTestRedis } from "./testing/test-redis.ts";

test("a snapshot that another version of the co-op published counts as none", async () => {
  const server = await startTestRedis();
  try {
    const redis = server.connect();
    const keys = createKeys("{coop}");
    const board = createFleetBoard(redis, keys, () => Promise.reject(new Error("nothing is published here")));
    const snapshot = { atMs: 1, pendingJobs: 0, nodes: [buildNodeView()] };
    await redis.set(keys.fleet, JSON.stringify(snapshot));
    expect(await board.read()).toEqual(snapshot);
    const { budget: _, ...older } = buildNodeView();
    await redis.set(keys.fleet, JSON.stringify({ ...snapshot, nodes: [older] }));
    expect(await board.read()).toBeNull();
    await redis.set(keys.fleet, JSON.stringify(snapshot));
    expect(await board.read()).toEqual(snapshot);
  } finally {
    await server.stop();
  }
});
