import type { Redis } from "ioredis";
import OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { z } from "zod";
import { auditBooks, openBooks, readBooks } from "../harness/books.ts";
import { startCluster } from "../harness/cluster.ts";
import type { Cluster, TestMember } from "../harness/cluster.ts";
import type { Served } from "../harness/llama-answers.ts";
import { findLlama, startLlamaEngine } from "../harness/llama-engine.ts";
import type { LlamaEngine } from "../harness/llama-engine.ts";

/** A real engine under the whole co-op: what is counted, cut, cached and stopped is llama.cpp's. */

const SLOTS = 4;
/** Ends its answers by itself. */
const BRIEF = "tiny-brief:latest";
/** Never does. */
const ENDLESS = "tiny-endless:latest";
/** Takes seconds to read a long prompt. */
const SLOW = "tiny-slow:latest";
const VECTORS = "tiny-vectors:latest";
const NEVER_ENDS = -40;
const small = { layers: 2, width: 64, capability: "completion" } as const;
const MODELS = {
  [BRIEF]: { ...small, seed: 1, contextTokens: 2048, endLogit: 3 },
  [ENDLESS]: { ...small, seed: 2, contextTokens: 8192, endLogit: NEVER_ENDS },
  [SLOW]: { ...small, seed: 3, width: 256, contextTokens: 8192, endLogit: NEVER_ENDS },
  [VECTORS]: { ...small, seed: 4, contextTokens: 512, endLogit: 0, capability: "embedding" },
} as const;

/** What a cancel may take to reach the engine, ms. */
const CANCEL_MS = 2000;

const presence = await findLlama();
const title = presence.kind === "present" ? "" : ` (skipped: ${presence.reason})`;

describe.skipIf(presence.kind === "missing")(`a co-op on real llama.cpp${title}`, () => {
  let engine: LlamaEngine;
  let cluster: Cluster;
  let member: TestMember;
  let client: OpenAI;
  let redis: Redis;

  beforeAll(async () => {
    if (presence.kind === "missing") return;
    [engine, cluster] = await Promise.all([
      startLlamaEngine(presence.llama, MODELS, { sequences: SLOTS }),
      startCluster(),
    ]);
    member = await cluster.addMember("astrid");
    await cluster.startAgent("attic", engine.url, member, ["--slots", String(SLOTS)]);
    client = new OpenAI({ baseURL: `${cluster.url}/v1`, apiKey: member.key, maxRetries: 0 });
    redis = await openBooks(cluster.home);
    const known = async () =>
      expect((await cluster.nodes())[0]?.models).toHaveLength(Object.keys(MODELS).length);
    await vi.waitFor(known, { timeout: 20_000 });
  });
  afterAll(async () => {
    if (presence.kind === "missing") return;
    redis.disconnect();
    await cluster.stop();
    await engine[Symbol.asyncDispose]();
    await presence.llama.dispose();
  });

  const ask = (content: string, model: string = BRIEF) => ({
    model,
    messages: [{ role: "user" as const, content }],
  });
  const chat = async (request: OpenAI.ChatCompletionCreateParamsNonStreaming) => {
    const { data, response } = await client.chat.completions.create(request).withResponse();
    const [choice] = data.choices;
    if (choice === undefined || data.usage === undefined) throw new Error("the answer is incomplete");
    return {
      job: response.headers.get("x-coop-job") ?? "",
      text: choice.message.content ?? "",
      finish: choice.finish_reason,
      usage: data.usage,
    };
  };
  const stream = async (request: Omit<OpenAI.ChatCompletionCreateParamsStreaming, "stream">) => {
    const { data, response } = await client.chat.completions
      .create({ ...request, stream: true, stream_options: { include_usage: true } })
      .withResponse();
    const pieces: string[] = [];
    let usage: OpenAI.CompletionUsage | null = null;
    let finish: string | null = null;
    for await (const chunk of data) {
      const [choice] = chunk.choices;
      if (choice?.delta.content) pieces.push(choice.delta.content);
      finish = choice?.finish_reason ?? finish;
      usage = chunk.usage ?? usage;
    }
    if (usage === null) throw new Error("the stream told no usage");
    return { job: response.headers.get("x-coop-job") ?? "", pieces, text: pieces.join(""), finish, usage };
  };
  /** What llama.cpp says of the one request that asked this. */
  const servedFor = (asked: string): Served => {
    const [served, ...more] = engine.served.filter((candidate) => candidate.asked === asked);
    if (served === undefined || more.length > 0) throw new Error(`${more.length} more than one: ${asked}`);
    return served;
  };
  /** Engine, answer, the agent's word in the job's record, and ledger: all four say the same. */
  const expectSameCounts = async (
    { promptTokens, outputTokens }: Served,
    { job, usage }: { readonly job: string; readonly usage: OpenAI.CompletionUsage },
    absorbedTokens = 0,
  ): Promise<void> => {
    const total = promptTokens + outputTokens;
    expect(usage).toMatchObject({
      prompt_tokens: promptTokens,
      completion_tokens: outputTokens,
      total_tokens: total,
    });
    const { jobs, ledger } = await readBooks(redis);
    expect(jobs.get(job)).toMatchObject({
      state: "succeeded",
      promptTokens: String(promptTokens),
      outputTokens: String(outputTokens),
    });
    expect(ledger.filter((entry) => entry["job"] === job)).toEqual([
      expect.objectContaining({
        kind: "succeeded",
        toMember: String(total - absorbedTokens),
        toNode: String(-total),
        toWaste: "0",
        toAbsorbed: String(absorbedTokens),
      }),
    ]);
  };

  it("answers whole and streamed with the same words for the same seed, and counts as the engine does", async () => {
    const request = { ...ask("tell the people a story"), seed: 7, temperature: 1, max_tokens: 1500 };
    const whole = await chat(request);
    const streamed = await stream(request);
    const again = await chat(request);
    const other = await chat({ ...request, seed: 8 });
    expect(whole.text).not.toBe("");
    expect([streamed.text, again.text]).toEqual([whole.text, whole.text]);
    expect(other.text).not.toBe(whole.text);
    expect([whole.finish, streamed.finish]).toEqual(["stop", "stop"]);
    expect(engine.served).toHaveLength(4);
    for (const [index, answer] of [whole, streamed, again, other].entries()) {
      const served = engine.served[index];
      expect(served?.end).toBe("stop");
      if (served !== undefined) await expectSameCounts(served, answer);
    }
  });

  it("streams in many pieces as they come", async () => {
    const { pieces, text, usage } = await stream({
      ...ask("write for the machine", ENDLESS),
      max_tokens: 600,
    });
    expect(pieces.length).toBeGreaterThan(3);
    expect(usage.completion_tokens).toBe(600);
    // Which words it says is chance; that they arrive whole, with what lies between them, is not.
    expect(text).toMatch(/ [a-z]{4,} [a-z]+ /);
  });

  it("keeps to a limit and to a stop word", async () => {
    const limited = await chat({ ...ask("no more than this", ENDLESS), max_tokens: 17 });
    expect(limited).toMatchObject({ finish: "length", usage: { completion_tokens: 17 } });
    const stopped = await chat({ ...ask("stop at work", ENDLESS), max_tokens: 4000, stop: [" work"] });
    expect(stopped.finish).toBe("stop");
    expect(stopped.text).not.toContain("work");
    expect(stopped.usage.completion_tokens).toBeLessThan(4000);
    await expectSameCounts(servedFor("stop at work"), stopped);
  });

  it("holds the model to a JSON schema", async () => {
    const schema = { type: "object", properties: { fine: { type: "boolean" } } } as const;
    const { text, finish } = await chat({
      ...ask("is it fine"),
      max_tokens: 200,
      response_format: { type: "json_schema", json_schema: { name: "fine", schema } },
    });
    expect(finish).toBe("stop");
    expect(JSON.parse(text)).toEqual({ fine: expect.any(Boolean) as boolean });
  });

  it("charges a prompt in full that the engine's cache had read before", async () => {
    const first = await chat({ ...ask("what does the weather do this morning"), max_tokens: 30 });
    const followUp = await chat({
      ...ask("and at home"),
      messages: [
        ...ask("what does the weather do this morning").messages,
        { role: "assistant", content: first.text },
        { role: "user", content: "and at home" },
      ],
      max_tokens: 30,
    });
    const served = servedFor("and at home");
    expect(served.cachedTokens).toBeGreaterThan(5);
    expect(served.promptTokens).toBeGreaterThan(first.usage.total_tokens / 2);
    await expectSameCounts(served, followUp);
  });

  it("runs four at once side by side, each counted by itself", async () => {
    const asked = ["a", "day", "for", "machine"].map((word) => `four at once, ${word}`);
    const answers = await Promise.all(
      asked.map((content) => stream({ ...ask(content, ENDLESS), max_tokens: 800 })),
    );
    expect(engine.mostBusySequences).toBe(SLOTS);
    expect(new Set(answers.map(({ text }) => text)).size).toBe(SLOTS);
    for (const [index, answer] of answers.entries()) {
      expect(answer.usage.completion_tokens).toBe(800);
      await expectSameCounts(servedFor(asked[index] ?? ""), answer);
    }
  });

  it("holds enough for a prompt of a token a byte, so that nothing is absorbed", async () => {
    // No word of the vocabulary has a q: each is a token of its own.
    const asked = "q".repeat(1000);
    const answer = await chat({ ...ask(asked), max_tokens: 10 });
    const served = servedFor(asked);
    expect(served.promptTokens).toBeGreaterThan(1000);
    const { ledger } = await readBooks(redis);
    expect(ledger.find((entry) => entry["job"] === answer.job)).toMatchObject({ toAbsorbed: "0" });
    await expectSameCounts(served, answer, 0);
  });

  it("passes on the engine's refusal of a prompt that only its tokenizer knows to be too long", async () => {
    const asked = "q".repeat(2500);
    const refusal: unknown = await client.chat.completions
      .create({ ...ask(asked), max_tokens: 10 })
      .catch((error: unknown) => error);
    if (!(refusal instanceof OpenAI.APIError)) throw new Error("the prompt was not refused");
    expect(refusal).toMatchObject({ status: 400, code: "context_length_exceeded" });
    expect(refusal.message).toMatch(/25\d\d tokens/);
    expect(engine.served.filter((served) => served.asked === asked)).toEqual([]);
  });

  it("cuts a model that has fallen into a loop, and charges what it said", async () => {
    const looped = await chat({ ...ask("say it over and over", ENDLESS), temperature: 0, max_tokens: 6000 });
    expect(looped.finish).toBe("length");
    expect(looped.usage.completion_tokens).toBeGreaterThan(500);
    expect(looped.usage.completion_tokens).toBeLessThan(2500);
    await vi.waitFor(() => expect(servedFor("say it over and over").end).toBe("gone"), CANCEL_MS);
    const { ledger } = await readBooks(redis);
    expect(ledger.find((entry) => entry["job"] === looped.job)).toMatchObject({
      toMember: String(looped.usage.total_tokens),
      toNode: String(-looped.usage.total_tokens),
    });
  });

  it("embeds as the engine does, in floats and in base64, whole and shortened", async () => {
    const input = ["good morning", "the weather at home", "hello"];
    const direct = await embeddedByEngine(input);
    const floats = await client.embeddings.create({ model: VECTORS, input, encoding_format: "float" });
    expect(floats.data.map(({ embedding }) => embedding)).toEqual(direct.embeddings);
    const coded = await client.embeddings.create({ model: VECTORS, input });
    expect(coded.data.map(({ embedding }) => embedding)).toEqual(
      direct.embeddings.map((vector) => vector.map(Math.fround)),
    );
    const short = await client.embeddings.create({ model: VECTORS, input: "hello", dimensions: 16 });
    expect(short.data[0]?.embedding).toHaveLength(16);
    expect(Math.hypot(...(short.data[0]?.embedding ?? []))).toBeCloseTo(1, 5);
    const counts = engine.served.filter(({ model }) => model === VECTORS).map((one) => one.promptTokens);
    expect(direct.prompt_eval_count).toBeGreaterThan(input.length);
    expect(counts).toEqual([
      direct.prompt_eval_count,
      floats.usage.prompt_tokens,
      coded.usage.prompt_tokens,
      short.usage.prompt_tokens,
    ]);
    expect(floats.usage.prompt_tokens).toBe(direct.prompt_eval_count);
  });
  const embeddedByEngine = async (input: readonly string[]) =>
    z.object({ embeddings: z.array(z.array(z.number())), prompt_eval_count: z.number() }).parse(
      await (
        await fetch(`${engine.url}/api/embed`, {
          method: "POST",
          body: JSON.stringify({
            model: VECTORS,
            input,
            options: { num_ctx: MODELS[VECTORS].contextTokens },
          }),
        })
      ).json(),
    );

  describe("frees the engine's sequence within 2 s of a cancel", () => {
    const expectFreed = async (asked: string): Promise<Served> => {
      const freed = (): void => {
        expect(engine.busySequences).toBe(0);
        expect(servedFor(asked).end).toBe("gone");
      };
      await vi.waitFor(freed, { timeout: CANCEL_MS, interval: 10 });
      return servedFor(asked);
    };

    it("in the middle of a stream", async () => {
      const asked = "talk until I go";
      const { data, response } = await client.chat.completions
        .create({ ...ask(asked, ENDLESS), max_tokens: 8000, stream: true })
        .withResponse();
      for await (const chunk of data) if (chunk.choices[0]?.delta.content) break;
      const { outputTokens } = await expectFreed(asked);
      expect(outputTokens).toBeGreaterThan(0);
      const job = response.headers.get("x-coop-job") ?? "";
      await vi.waitFor(async () => {
        expect((await readBooks(redis)).jobs.get(job)?.["state"]).toBe("cancelled");
      }, CANCEL_MS);
    });

    it("while nothing of an answer went out yet", async () => {
      const asked = "talk to yourself until I go";
      const leaving = new AbortController();
      const answer = client.chat.completions.create(
        { ...ask(asked, ENDLESS), max_tokens: 8000 },
        { signal: leaving.signal },
      );
      await vi.waitFor(() => expect(engine.busySequences).toBe(1), { timeout: 10_000, interval: 5 });
      leaving.abort();
      await expect(answer).rejects.toThrow(OpenAI.APIUserAbortError);
      await expectFreed(asked);
    });

    it("while it still reads the prompt", async () => {
      const asked = "a ".repeat(7000);
      const leaving = new AbortController();
      const answer = client.chat.completions.create(
        { ...ask(asked, SLOW), max_tokens: 500, stream: true },
        { signal: leaving.signal },
      );
      await vi.waitFor(() => expect(engine.busySequences).toBe(1), { timeout: 10_000, interval: 5 });
      leaving.abort();
      await expect(answer).rejects.toThrow(OpenAI.APIUserAbortError);
      expect((await expectFreed(asked)).outputTokens).toBe(0);
    });
  });

  it("leaves books that add up, and no slot taken", async () => {
    await expect.poll(async () => auditBooks(await readBooks(redis)), { timeout: 10_000 }).toEqual([]);
    const asked = ["one", "two", "three", "four"].map((word) => `and once more, ${word}`);
    await Promise.all(asked.map((content) => chat({ ...ask(content), max_tokens: 20 })));
    expect(engine.busySequences).toBe(0);
  });
});
