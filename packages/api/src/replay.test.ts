import { problemSchema, replayFleetSchema, replayJobListSchema } from "@coop/protocol";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { chatBody, createWorld } from "./testing/world.ts";
import type { World } from "./testing/world.ts";

let world: World;
beforeEach(async () => {
  world = await createWorld();
});
afterEach(async () => {
  await world.expectQuiet();
});

const read = async (path: string): Promise<Response> =>
  world.request(`/admin/replay${path}`, { key: world.operator.key });
const jobs = async (query: string) => replayJobListSchema.parse(await (await read(`/jobs?${query}`)).json());

const QUESTION = [{ role: "user", content: "Why is the marmalade orange?" }];

/** Asks Ada's question so many times, a minute apart. */
const ask = async (amount: number): Promise<void> => {
  world.answerWith("zephyr", "quartz");
  for (let index = 0; index < amount; index += 1) {
    expect((await world.post("/v1/chat/completions", chatBody({ messages: QUESTION }))).status).toBe(200);
    world.clock.advance(60_000);
  }
};

describe("the past for simulations", () => {
  test("is read page by page, newest first, back to the moment that was asked for", async () => {
    const beganMs = world.clock.now();
    await ask(5);
    const first = await jobs("member=mem_ada&limit=2");
    const second = await jobs(`member=mem_ada&limit=5&cursor=${first.nextCursor ?? ""}`);
    const times = [...first.data, ...second.data].map(({ submittedAtMs }) => submittedAtMs);
    expect(times).toHaveLength(5);
    expect(times).toEqual(times.toSorted((one, other) => other - one));
    expect(second.nextCursor).toBeNull();

    const recent = await jobs(`member=mem_ada&limit=4&sinceMs=${beganMs + 180_000}`);
    expect(recent.data).toHaveLength(2);
    expect(recent.nextCursor).toBeNull();
  });

  test("tells sizes, times and what was asked for, and nothing that was said", async () => {
    await ask(1);
    const [job] = (await jobs("member=mem_ada")).data;
    expect(job).toMatchObject({
      outcome: "succeeded",
      endpoint: "chat",
      target: { kind: "tier" },
      promptTokens: 11,
      outputTokens: 2,
    });
    const text = await (await read("/jobs?member=mem_ada")).text();
    expect(text).toContain('"promptTokens":11');
    expect(text).not.toMatch(/marmalade|zephyr|quartz|job_|session|metadata/);
  });

  test("leaves out what has not ended, and says nothing of another member's", async () => {
    world.onAdmitted(async () => undefined);
    const response = await world.post("/v1/jobs", { request: chatBody() });
    expect((await jobs("member=mem_ada")).data).toEqual([]);
    await world.request(response.headers.get("location") ?? "", { method: "DELETE" });
    expect((await jobs("member=mem_ada")).data).toMatchObject([{ outcome: "cancelled", outputTokens: null }]);
    expect((await jobs("member=mem_bob")).data).toEqual([]);
  });

  test("tells what machines can do", async () => {
    const fleet = replayFleetSchema.parse(await (await read("/machines")).json());
    expect(fleet.timeZone).toBe("Europe/Stockholm");
    const studio = fleet.machines.find(({ name }) => name === "studio");
    expect(studio?.models.length).toBeGreaterThan(0);
    expect(studio?.models[0]?.capacity.prefillTokensPerSecond.value).toBeGreaterThan(0);
  });

  test("is for operators, and names what is wrong in what is asked", async () => {
    expect((await world.request("/admin/replay/jobs?member=mem_ada")).status).toBe(403);
    expect((await world.request("/admin/replay/machines")).status).toBe(403);
    for (const [query, param] of [
      ["", "member"],
      ["member=mem_ada&limit=0", "limit"],
      ["member=mem_ada&limit=501", "limit"],
      ["member=mem_ada&sinceMs=yesterday", "sinceMs"],
    ] as const) {
      const response = await read(`/jobs?${query}`);
      expect(response.status, query).toBe(400);
      expect(problemSchema.parse(await response.json()).error.param).toBe(param);
    }
  });
});
