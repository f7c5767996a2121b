import type { AddressInfo } from "node:net";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import type { EngineRequest } from "@coop/protocol";
import { serve } from "@hono/node-server";
import { generateText, isStepCount, streamText, tool } from "ai";
import { afterEach, beforeEach, expect, test } from "vitest";
import { z } from "zod";
import { createWorld } from "./testing/world.ts";
import type { World } from "./testing/world.ts";

/** What the `ai` client makes of reasoning, against the app on a real socket. */

let world: World;
let server: ReturnType<typeof serve>;

beforeEach(async () => {
  world = await createWorld();
  server = await new Promise((resolve) => {
    const listening = serve({ fetch: world.app.fetch, port: 0, hostname: "127.0.0.1" }, () =>
      resolve(listening),
    );
  });
});
afterEach(async () => {
  await new Promise((resolve) => server.close(resolve));
  await world.expectQuiet();
});

const model = () => {
  const { port } = server.address() as AddressInfo;
  const baseURL = `http://127.0.0.1:${port}/v1`;
  return createOpenAICompatible({ name: "coop", baseURL, apiKey: world.ada.key })("qwen3:32b");
};

test("reads reasoning once and apart from the answer, whole and streamed", async () => {
  world.onAdmitted(async (spec) => {
    const attempt = await world.start(spec, { model: "qwen3:32b" });
    await attempt.output([{ kind: "reasoning", text: "Let me " }]);
    await attempt.output([{ kind: "reasoning", text: "think." }]);
    await attempt.say("Yes", ".");
    await attempt.succeed();
  });
  const whole = await generateText({ model: model(), prompt: "Well?" });
  expect([whole.reasoningText, whole.text]).toEqual(["Let me think.", "Yes."]);
  const streamed = streamText({ model: model(), prompt: "Well?" });
  expect([await streamed.reasoningText, await streamed.text]).toEqual(["Let me think.", "Yes."]);
});

test("sends back what the model thought before it called a tool", async () => {
  const requests: EngineRequest[] = [];
  world.onAdmitted(async (spec) => {
    const attempt = await world.start(spec, { model: "qwen3:32b" });
    requests.push(attempt.request);
    if (requests.length === 1) {
      await attempt.output([
        { kind: "reasoning", text: "I need the time." },
        { kind: "tool-call", index: 0, call: { id: "call_1", name: "clock", arguments: "{}" } },
      ]);
    } else await attempt.say("Noon");
    await attempt.succeed();
  });
  const clock = tool({ description: "The time", inputSchema: z.object({}), execute: async () => "12:00" });
  const { text } = await generateText({
    model: model(),
    prompt: "What time is it?",
    tools: { clock },
    stopWhen: isStepCount(2),
  });
  expect(text).toBe("Noon");
  expect(requests[1]).toMatchObject({
    messages: [
      { role: "user", content: "What time is it?" },
      { role: "assistant", reasoning: "I need the time.", toolCalls: [{ id: "call_1", name: "clock" }] },
      { role: "tool", content: "12:00", toolCallId: "call_1", toolName: "clock" },
    ],
  });
});
