import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { embedMany, generateText, isStepCount, Output, streamText, tool } from "ai";
import { Ollama } from "ollama";
import OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { jobListSchema } from "@coop/protocol";
import { simulatedMachine, startSimulatedOllama } from "@coop/simulator";
import type { SimulatedOllama } from "@coop/simulator";
import { auditBooks, openBooks, readBooks } from "../harness/books.ts";
import { startCluster } from "../harness/cluster.ts";
import type { Cluster, TestMember } from "../harness/cluster.ts";

/** The clients that members use, as npm has them, against a co-op of real processes. */

const MODEL = "llama3.2:3b";
/** Slow enough that an abort comes before its end: over a second for an answer. */
const SLOW_MODEL = "llama3.3:70b";
const SPEEDUP = 20;
/** For what comes soon, on a machine that has other work, too. */
const PATIENT = { timeout: 10_000 };
const EMBEDDER = "nomic-embed-text";
const CITY = {
  type: "object" as const,
  properties: { city: { type: "string" as const }, days: { type: "integer" as const, minimum: 1 } },
  required: ["city", "days"],
};
const citySchema = z.object({ city: z.string(), days: z.number().int().min(1) });
const messages = [{ role: "user" as const, content: "Say hello." }];

let cluster: Cluster;
let member: TestMember;

beforeAll(async () => {
  cluster = await startCluster();
  member = await cluster.addMember("astrid");
  const machines = await cluster.startMachines(["mac-studio-m4-max-128"], SPEEDUP);
  await Promise.all([...machines].map(([profile, url]) => cluster.startAgent(profile, url, member)));
});
afterAll(() => cluster.stop());

/** Waits until no job of the member is on its way any more, and says how the latest ended. */
async function latestEnd(): Promise<string> {
  let state = "";
  await expect
    .poll(async () => {
      const { data } = jobListSchema.parse(
        await (await cluster.request("/v1/jobs?limit=1", { key: member.key })).json(),
      );
      state = data[0]?.state ?? "none";
      return state;
    }, PATIENT)
    .toMatch(/succeeded|failed|cancelled|expired/);
  return state;
}

describe("openai", () => {
  let client: OpenAI;
  beforeAll(() => {
    client = new OpenAI({ baseURL: `${cluster.url}/v1`, apiKey: member.key, maxRetries: 0 });
  });
  const weather = {
    type: "function" as const,
    function: { name: "weather", description: "The weather of a city", parameters: CITY },
  };

  it("chats and streams", async () => {
    const whole = await client.chat.completions.create({ model: MODEL, messages, max_tokens: 30 });
    expect(whole.choices[0]?.message.content).toMatch(/^\[simulated /);
    const streamed = await client.chat.completions
      .stream({ model: MODEL, messages, max_tokens: 30, stream_options: { include_usage: true } })
      .finalChatCompletion();
    expect(streamed.choices[0]?.message.content).toBe(whole.choices[0]?.message.content);
    expect(streamed.usage).toEqual(whole.usage);
  });

  it("calls a tool and hears what it gave, streamed and not", async () => {
    const asked = await client.chat.completions.create({ model: MODEL, messages, tools: [weather] });
    const [call] = asked.choices[0]?.message.tool_calls ?? [];
    if (call?.type !== "function") throw new Error("no call of a function");
    expect(asked.choices[0]?.finish_reason).toBe("tool_calls");
    expect(citySchema.parse(JSON.parse(call.function.arguments))).toBeDefined();
    const answered = await client.chat.completions
      .stream({
        model: MODEL,
        tools: [weather],
        max_tokens: 30,
        messages: [
          ...messages,
          { role: "assistant", content: null, tool_calls: [call] },
          { role: "tool", tool_call_id: call.id, content: "rain" },
        ],
      })
      .finalChatCompletion();
    expect(answered.choices[0]?.message.content).toMatch(/^\[simulated /);
    const streamed = await client.chat.completions
      .stream({ model: MODEL, messages, tools: [weather] })
      .finalChatCompletion();
    expect(streamed.choices[0]?.message.tool_calls?.[0]).toMatchObject({
      type: "function",
      function: { name: "weather", arguments: call.function.arguments },
    });
  });

  it("calls several tools in one answer, or one when asked so", async () => {
    const clock = { type: "function" as const, function: { name: "clock", parameters: {} } };
    const ask = {
      model: MODEL,
      tools: [weather, clock],
      messages: [{ role: "user" as const, content: "Use clock and weather." }],
    };
    const both = await client.chat.completions.stream(ask).finalChatCompletion();
    const names = both.choices[0]?.message.tool_calls?.map((call) =>
      call.type === "function" ? call.function.name : call.type,
    );
    expect(names).toEqual(["weather", "clock"]);
    const one = await client.chat.completions.create({ ...ask, parallel_tool_calls: false });
    expect(one.choices[0]?.message.tool_calls).toHaveLength(1);
  });

  it("calls the tool that is required of it", async () => {
    for (const tool_choice of [
      "required" as const,
      { type: "function" as const, function: { name: "weather" } },
    ]) {
      const completion = await client.chat.completions.create({
        model: MODEL,
        messages,
        tools: [weather],
        tool_choice,
      });
      const [call] = completion.choices[0]?.message.tool_calls ?? [];
      if (call?.type !== "function") throw new Error("no call of a function");
      expect(call.function.name).toBe("weather");
      expect(citySchema.parse(JSON.parse(call.function.arguments))).toBeDefined();
    }
  });

  it("is held to a JSON schema", async () => {
    const completion = await client.chat.completions.create({
      model: MODEL,
      messages,
      response_format: { type: "json_schema", json_schema: { name: "city", schema: CITY, strict: true } },
    });
    expect(citySchema.parse(JSON.parse(completion.choices[0]?.message.content ?? ""))).toBeDefined();
  });

  it("embeds a batch, in base64 as it asks by default and in floats, cut to a dimension", async () => {
    const input = Array.from({ length: 40 }, (_, at) => `text ${at}`);
    const packed = await client.embeddings.create({ model: EMBEDDER, input });
    const plain = await client.embeddings.create({ model: EMBEDDER, input, encoding_format: "float" });
    expect(packed.data).toHaveLength(40);
    expect(packed.data.map(({ index }) => index)).toEqual(input.map((_, at) => at));
    expect([...(packed.data[39]?.embedding ?? [])]).toEqual(plain.data[39]?.embedding.map(Math.fround));
    expect(packed.usage).toEqual(plain.usage);
    expect(packed.usage.prompt_tokens).toBeGreaterThan(40);
    const cut = await client.embeddings.create({ model: EMBEDDER, input: "one", dimensions: 8 });
    expect(cut.data[0]?.embedding).toHaveLength(8);
  });

  it("aborts", async () => {
    const abort = new AbortController();
    const stream = await client.chat.completions.create(
      { model: SLOW_MODEL, messages, max_tokens: 4000, stream: true },
      { signal: abort.signal },
    );
    for await (const chunk of stream) {
      expect(chunk.object).toBe("chat.completion.chunk");
      abort.abort();
    }
    expect(await latestEnd()).toBe("cancelled");
  });
});

describe("ai with its provider for compatible servers", () => {
  const provider = () =>
    createOpenAICompatible({
      name: "coop",
      baseURL: `${cluster.url}/v1`,
      apiKey: member.key,
      includeUsage: true,
      supportsStructuredOutputs: true,
    });
  const weather = tool({
    description: "The weather of a city",
    inputSchema: citySchema,
    execute: async ({ city }) => `rain in ${city}`,
  });

  it("chats and streams, with usage", async () => {
    const whole = await generateText({ model: provider()(MODEL), prompt: "Say hello.", maxOutputTokens: 30 });
    expect(whole.text).toMatch(/^\[simulated /);
    expect(whole.usage.outputTokens).toBeGreaterThan(0);
    const streamed = streamText({ model: provider()(MODEL), prompt: "Say hello.", maxOutputTokens: 30 });
    let text = "";
    for await (const part of streamed.textStream) text += part;
    expect(text).toBe(whole.text);
    expect((await streamed.usage).totalTokens).toBe(whole.usage.totalTokens);
  });

  it("calls a tool, hands over what it gave, and gets the answer", async () => {
    const { steps, text } = await generateText({
      model: provider()(MODEL),
      prompt: "What is the weather?",
      maxOutputTokens: 60,
      tools: { weather },
      stopWhen: isStepCount(2),
    });
    expect(steps.map(({ finishReason }) => finishReason)).toEqual(["tool-calls", expect.any(String)]);
    expect(steps[0]?.toolResults).toMatchObject([{ toolName: "weather", output: "rain in simulated" }]);
    expect(text).toMatch(/^\[simulated /);
  });

  it("streams a call of a tool that is required", async () => {
    const streamed = streamText({
      model: provider()(MODEL),
      prompt: "What is the weather?",
      tools: { weather },
      toolChoice: "required",
    });
    expect(await streamed.finishReason).toBe("tool-calls");
    const [call] = await streamed.toolCalls;
    expect(call?.toolName).toBe("weather");
    expect(citySchema.parse(call?.input)).toBeDefined();
  });

  it("is held to a schema", async () => {
    const { output } = await generateText({
      model: provider()(MODEL),
      prompt: "A city?",
      output: Output.object({ schema: citySchema }),
    });
    expect(citySchema.parse(output)).toBeDefined();
  });

  it("embeds", async () => {
    const { embeddings, usage } = await embedMany({
      model: provider().embeddingModel(EMBEDDER),
      values: ["one", "two"],
    });
    expect(embeddings.map((vector) => vector.length)).toEqual([768, 768]);
    expect(usage.tokens).toBeGreaterThan(0);
  });

  it("aborts", async () => {
    const abort = new AbortController();
    const { textStream } = streamText({
      model: provider()(SLOW_MODEL),
      prompt: "Tell a long story.",
      maxOutputTokens: 4000,
      abortSignal: abort.signal,
      onError: () => undefined,
    });
    let pieces = 0;
    for await (const part of textStream) {
      pieces += part.length;
      abort.abort();
    }
    expect(pieces).toBeGreaterThan(0);
    expect(await latestEnd()).toBe("cancelled");
  });
});

describe("ollama, against a node's own engine", () => {
  let engine: SimulatedOllama;
  let client: Ollama;
  beforeAll(async () => {
    engine = await startSimulatedOllama(simulatedMachine("mac-studio-m4-max-128"), {
      port: 0,
      speedup: SPEEDUP,
    });
    client = new Ollama({ host: engine.url });
  });
  afterAll(() => engine.stop());
  const weather = {
    type: "function",
    function: { name: "weather", description: "The weather of a city", parameters: CITY },
  };

  it("chats and streams", async () => {
    const ask = { model: MODEL, messages, options: { num_predict: 30 } };
    const whole = await client.chat(ask);
    expect(whole.message.content).toMatch(/^\[simulated /);
    let text = "";
    for await (const part of await client.chat({ ...ask, stream: true })) text += part.message.content;
    expect(text).toBe(whole.message.content);
  });

  it("calls a tool, streamed and not", async () => {
    const ask = { model: MODEL, messages, tools: [{ ...weather }] };
    const { message } = await client.chat(ask);
    expect(message.tool_calls).toMatchObject([{ function: { name: "weather" } }]);
    expect(citySchema.parse(message.tool_calls?.[0]?.function.arguments)).toBeDefined();
    const names: string[] = [];
    for await (const part of await client.chat({ ...ask, stream: true }))
      names.push(...(part.message.tool_calls ?? []).map((call) => call.function.name));
    expect(names).toEqual(["weather"]);
  });

  it("is held to a schema", async () => {
    const { message } = await client.chat({ model: MODEL, messages, format: CITY });
    expect(citySchema.parse(JSON.parse(message.content))).toBeDefined();
  });

  it("embeds", async () => {
    const { embeddings } = await client.embed({ model: EMBEDDER, input: ["one", "two"] });
    expect(embeddings.map((vector) => vector.length)).toEqual([768, 768]);
  });

  it("aborts", async () => {
    const stream = await client.chat({
      model: SLOW_MODEL,
      messages,
      options: { num_predict: 4000 },
      stream: true,
    });
    const read = async (): Promise<void> => {
      for await (const part of stream) {
        expect(part.done).toBe(false);
        stream.abort();
      }
    };
    await expect(read()).rejects.toThrow(/abort/i);
    await expect.poll(() => engine.activeRequests(), PATIENT).toBe(0);
  });
});

it("describes itself to anyone, where it is", async () => {
  const description = z.object({ servers: z.array(z.object({ url: z.string() })) });
  const { servers } = description.parse(await (await fetch(`${cluster.url}/openapi.json`)).json());
  expect(servers).toEqual([{ url: cluster.url }]);
  const page = await fetch(`${cluster.url}/docs`);
  expect(page.headers.get("content-security-policy")).toContain("default-src 'none'");
  expect(await page.text()).toContain("/v1/chat/completions");
});

it("leaves books that add up", async () => {
  const redis = await openBooks(cluster.home);
  try {
    await expect.poll(async () => auditBooks(await readBooks(redis)), PATIENT).toEqual([]);
  } finally {
    redis.disconnect();
  }
});
