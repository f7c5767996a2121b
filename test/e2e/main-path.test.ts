import OpenAI from "openai";
import { jobListSchema, jobViewSchema } from "@coop/protocol";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { auditBooks, auditQueue, openBooks, readBooks } from "../harness/books.ts";
import { startCluster } from "../harness/cluster.ts";
import type { Cluster, TestMember } from "../harness/cluster.ts";

const SPEEDUP = 50;
const PROFILES = ["mac-studio-m4-max-128", "macbook-air-m4-32", "raspberry-pi-5-8"] as const;

let cluster: Cluster;
let members: readonly TestMember[];

beforeAll(async () => {
  cluster = await startCluster();
  members = await Promise.all(
    ["astrid", "ben", "chidi", "dana", "emil"].map((name) => cluster.addMember(name)),
  );
  const machines = await cluster.startMachines(PROFILES, SPEEDUP);
  const owner = memberAt(0);
  await Promise.all([...machines].map(([profile, url]) => cluster.startAgent(profile, url, owner)));
});
afterAll(() => cluster.stop());

function memberAt(index: number): TestMember {
  const member = members[index];
  if (!member) throw new Error(`no member ${index}`);
  return member;
}

const clientOf = (member: TestMember): OpenAI =>
  new OpenAI({ baseURL: `${cluster.url}/v1`, apiKey: member.key, maxRetries: 0 });

describe("a co-op of real processes", () => {
  it("serves five members at once through the openai client, streamed and not, and charges what was used", async () => {
    const usages = await Promise.all(
      members.map(async (member) => {
        const client = clientOf(member);
        const ask = {
          model: "coop/edge",
          messages: [{ role: "user" as const, content: `Greet ${member.name}.` }],
          max_tokens: 60,
        };
        const whole = await client.chat.completions.create(ask);
        expect(whole.choices[0]?.message.content).toMatch(/^\[simulated /);
        const stream = await client.chat.completions.create({
          ...ask,
          stream: true,
          stream_options: { include_usage: true },
        });
        let text = "";
        let usage: OpenAI.CompletionUsage | null | undefined;
        for await (const chunk of stream) {
          text += chunk.choices[0]?.delta.content ?? "";
          usage = chunk.usage ?? usage;
        }
        expect(text).toMatch(/^\[simulated /);
        return (whole.usage?.total_tokens ?? Number.NaN) + (usage?.total_tokens ?? Number.NaN);
      }),
    );
    for (const [index, member] of members.entries()) {
      const quota = z
        .object({ usedTokens: z.number(), heldTokens: z.number() })
        .parse(await (await cluster.request("/v1/quota", { key: member.key })).json());
      expect(quota).toEqual({ usedTokens: usages[index], heldTokens: 0 });
    }
  });

  it("places by tier: nothing above edge on the Pi, nothing below what was asked", async () => {
    const client = clientOf(memberAt(1));
    const served = await Promise.all(
      (["coop/edge", "coop/local-small", "coop/local-large"] as const).flatMap((model) =>
        Array.from({ length: 4 }, async () => {
          const { response } = await client.chat.completions
            .create({ model, messages: [{ role: "user", content: "Say hello." }], max_tokens: 40 })
            .withResponse();
          return {
            asked: model,
            node: response.headers.get("x-coop-node"),
            tier: response.headers.get("x-coop-tier"),
          };
        }),
      ),
    );
    const rank = ["edge", "local-small", "local-large"];
    for (const job of served) {
      expect(rank.indexOf(job.tier ?? "")).toBeGreaterThanOrEqual(
        rank.indexOf(job.asked.slice("coop/".length)),
      );
      if (job.node === "raspberry-pi-5-8") expect(job.tier).toBe("edge");
    }
  });

  it("runs a detached job whoever watches, and replays its output from any event on", async () => {
    const key = memberAt(2).key;
    const accepted = await cluster.request("/v1/jobs", {
      method: "POST",
      key,
      body: JSON.stringify({
        request: {
          model: "coop/local-small",
          messages: [{ role: "user", content: "Tell a story." }],
          max_tokens: 200,
        },
      }),
    });
    expect(accepted.status).toBe(202);
    const { id } = jobViewSchema.parse(await accepted.json());
    const whole = await (await cluster.request(`/v1/jobs/${id}/events`, { key })).text();
    const ids = [...whole.matchAll(/^id: (\S+)$/gm)].map((match) => match[1] ?? "");
    expect(ids.length).toBeGreaterThan(2);
    expect(whole).toMatch(/event: succeeded/);
    const middle = ids[1] ?? "";
    const rest = await (
      await cluster.request(`/v1/jobs/${id}/events`, { key, headers: { "last-event-id": middle } })
    ).text();
    expect([...rest.matchAll(/^id: (\S+)$/gm)].map((match) => match[1])).toEqual(ids.slice(2));
    const job = jobViewSchema.parse(await (await cluster.request(`/v1/jobs/${id}`, { key })).json());
    expect(job).toMatchObject({ state: "succeeded", tier: expect.stringMatching(/local/) as string });
    expect(job.result?.content).toMatch(/^\[simulated/);
    const placement = await (await cluster.request(`/v1/jobs/${id}/placement`, { key })).text();
    expect(placement).toContain("raspberry-pi-5-8");
    expect(placement).toContain("tier-below");
  });

  it("shows a job to its member alone", async () => {
    const listed = jobListSchema.parse(
      await (await cluster.request("/v1/jobs", { key: memberAt(2).key })).json(),
    );
    const id = listed.data[0]?.id ?? "";
    for (const [path, method] of [
      [`/v1/jobs/${id}`, "GET"],
      [`/v1/jobs/${id}/events`, "GET"],
      [`/v1/jobs/${id}/placement`, "GET"],
      [`/v1/jobs/${id}`, "DELETE"],
    ] as const) {
      expect((await cluster.request(path, { method, key: memberAt(3).key })).status).toBe(404);
    }
  });

  it("keeps private work on the member's own machines, and says why others cannot take it", async () => {
    const ask = {
      method: "POST",
      headers: { "x-coop-privacy": "own" },
      body: JSON.stringify({
        model: "coop/edge",
        messages: [{ role: "user", content: "secret" }],
        max_tokens: 8,
      }),
    };
    const owned = await cluster.request("/v1/chat/completions", { ...ask, key: memberAt(0).key });
    expect(owned.status).toBe(200);
    const foreign = await cluster.request("/v1/chat/completions", { ...ask, key: memberAt(1).key });
    expect(foreign.status).toBe(422);
    expect(await foreign.text()).toContain("raspberry-pi-5-8");
  });

  it("answers the same idempotency key with the same job, fifty times at once", async () => {
    const key = memberAt(4).key;
    const submit = (content: string): Promise<Response> =>
      cluster.request("/v1/jobs", {
        method: "POST",
        key,
        headers: { "idempotency-key": "once" },
        body: JSON.stringify({
          request: { model: "coop/edge", messages: [{ role: "user", content }], max_tokens: 8 },
        }),
      });
    const answers = await Promise.all(Array.from({ length: 50 }, () => submit("the same")));
    const ids = await Promise.all(answers.map(async (answer) => jobViewSchema.parse(await answer.json()).id));
    expect(new Set(ids).size).toBe(1);
    expect((await submit("something else")).status).toBe(409);
  });

  it("leaves books that add up, and a queue that shows operators what became of each job", async () => {
    const redis = await openBooks(cluster.home);
    try {
      await expect.poll(async () => auditBooks(await readBooks(redis)), { timeout: 10_000 }).toEqual([]);
      await expect.poll(() => auditQueue(redis), { timeout: 10_000 }).toEqual([]);
      expect(await redis.zcard("{coop}:jobs:completed")).toBeGreaterThan(0);
    } finally {
      redis.disconnect();
    }
  });
});
