import { describe, expect, test } from "vitest";
import { chat, run, startEngineRig } from "../../../../../test/harness/ollama-engine.ts";
import { done, piece } from "../../../../../test/harness/scripted-ollama.ts";
import type { Step } from "../../../../../test/harness/scripted-ollama.ts";
import type { EngineEvent } from "../engine.ts";

const deltasIn = (events: readonly EngineEvent[]) =>
  events.flatMap((event) => (event.kind === "delta" ? [event.delta] : []));

const line = (value: object): Step => ({ do: "line", line: { done: false, ...value } });
const said = (content: string, token: object): Step =>
  line({ message: { role: "assistant", content }, logprobs: [token] });

describe("log probabilities", () => {
  test("follow the content that they belong to", async () => {
    const { engine, ollama } = await startEngineRig();
    const other = { token: "Ha", logprob: -2.5, bytes: [72, 97] };
    ollama.script(
      "/api/chat",
      line({ message: { role: "assistant", thinking: "hm" }, logprobs: [{ token: "hm", logprob: -9 }] }),
      said("He", { token: "He", logprob: -0.25, bytes: [72, 101], top_logprobs: [other] }),
      said("j", { token: "j", logprob: -0.5 }),
      done(),
    );
    const { events } = await run(engine, chat({ topLogprobs: 1 }));
    expect(deltasIn(events)).toEqual([
      { kind: "reasoning", text: "hm" },
      { kind: "content", text: "He" },
      { kind: "logprobs", tokens: [{ token: "He", logprob: -0.25, bytes: [72, 101], top: [other] }] },
      { kind: "content", text: "j" },
      { kind: "logprobs", tokens: [{ token: "j", logprob: -0.5, bytes: null, top: [] }] },
    ]);
    expect(ollama.callsOf("/api/chat")[0]?.body).toMatchObject({ logprobs: true, top_logprobs: 1 });
  });

  test("wait for content that the engine holds back, and are dropped with what is no content", async () => {
    const { engine, ollama } = await startEngineRig();
    const early = (token: string): Step =>
      line({ message: { role: "assistant", content: "" }, logprobs: [{ token, logprob: -1 }] });
    ollama.script(
      "/api/chat",
      early("<think>"),
      line({ message: { role: "assistant", thinking: "hm" }, logprobs: [{ token: "hm", logprob: -1 }] }),
      early("<"),
      said("<3", { token: "3", logprob: -1 }),
      done({ logprobs: [{ token: "</s>", logprob: -1 }] }),
    );
    const { events } = await run(engine, chat({ topLogprobs: 0 }));
    const logprobs = deltasIn(events).flatMap((delta) => (delta.kind === "logprobs" ? [delta.tokens] : []));
    expect(logprobs.map((tokens) => tokens.map(({ token }) => token))).toEqual([["<", "3"], ["</s>"]]);
    expect(deltasIn(events).map(({ kind }) => kind)).toEqual([
      "reasoning",
      "content",
      "logprobs",
      "logprobs",
    ]);
  });

  test("are not asked for unless the member wants them", async () => {
    const { engine, ollama } = await startEngineRig();
    await run(engine);
    expect(ollama.callsOf("/api/chat")[0]?.body).not.toHaveProperty("logprobs");
  });
});

test("what the model thought before goes back to it", async () => {
  const { engine, ollama } = await startEngineRig();
  await run(engine, chat({ messages: [{ role: "assistant", content: "Yes", reasoning: "hm" }] }));
  expect(ollama.callsOf("/api/chat")[0]?.body).toMatchObject({ messages: [{ thinking: "hm" }] });
});

const clock = { name: "clock", description: "The time", parameters: { type: "object", properties: {} } };
const map = { name: "map", parameters: { type: "object", properties: { city: { type: "string" } } } };

test("one call an answer is all that passes when the member asks so", async () => {
  const { engine, ollama } = await startEngineRig();
  const call = (name: string) => ({ function: { name, arguments: {} } });
  ollama.script(
    "/api/chat",
    line({ message: { role: "assistant", tool_calls: [call("clock"), call("map")] } }),
    line({ message: { role: "assistant", tool_calls: [call("map")] } }),
    done(),
  );
  const { events, outcome } = await run(engine, chat({ tools: [clock, map], parallelToolCalls: false }));
  expect(deltasIn(events)).toMatchObject([{ kind: "tool-call", index: 0, call: { name: "clock" } }]);
  expect(outcome).toMatchObject({ kind: "done", finishReason: "tool_calls" });
});

describe("a required call", () => {
  test("of one tool is its arguments, to whose schema the model is held", async () => {
    const { engine, ollama } = await startEngineRig();
    ollama.script("/api/chat", piece('{"city": '), piece('"Lund"}'), done({ eval_count: 5 }));
    const { events, outcome, text } = await run(engine, chat({ tools: [map], toolChoice: "required" }));
    expect(text).toBe("");
    expect(deltasIn(events)).toEqual([
      {
        kind: "tool-call",
        index: 0,
        call: { id: expect.stringMatching(/^call_/) as string, name: "map", arguments: '{"city":"Lund"}' },
      },
    ]);
    expect(outcome).toMatchObject({ kind: "done", finishReason: "tool_calls", usage: { outputTokens: 5 } });
    const body = ollama.callsOf("/api/chat")[0]?.body;
    expect(body).toMatchObject({ format: map.parameters });
    expect(body).not.toHaveProperty("tools");
    expect(JSON.stringify(body?.["messages"])).toContain("map");
  });

  test("of any tool says which", async () => {
    const { engine, ollama } = await startEngineRig();
    ollama.script("/api/chat", piece('{"name":"clock","arguments":{}}'), done());
    const { events } = await run(engine, chat({ tools: [clock, map], toolChoice: "required" }));
    expect(deltasIn(events)).toMatchObject([{ kind: "tool-call", call: { name: "clock", arguments: "{}" } }]);
    expect(ollama.callsOf("/api/chat")[0]?.body).toMatchObject({
      format: {
        anyOf: [
          { properties: { name: { const: "clock" }, arguments: clock.parameters } },
          { properties: { name: { const: "map" }, arguments: map.parameters } },
        ],
      },
    });
  });

  test("is the engine's own, should it make one after all", async () => {
    const { engine, ollama } = await startEngineRig();
    const call = { function: { name: "map", arguments: { city: "Lund" } } };
    ollama.script("/api/chat", line({ message: { role: "assistant", tool_calls: [call] } }), done());
    const { events, outcome } = await run(engine, chat({ tools: [map], toolChoice: "required" }));
    expect(deltasIn(events)).toMatchObject([{ call: { name: "map", arguments: '{"city":"Lund"}' } }]);
    expect(outcome).toMatchObject({ kind: "done", finishReason: "tool_calls" });
  });

  test.each([
    ["no JSON", "It is noon."],
    ["a tool that is not there", '{"name":"bomb","arguments":{}}'],
    ["no arguments", '{"name":"clock"}'],
  ])("that is none is the model's failure: %s", async (_what, text) => {
    const { engine, ollama } = await startEngineRig();
    ollama.script("/api/chat", piece(text), done());
    const { events, outcome } = await run(engine, chat({ tools: [clock, map], toolChoice: "required" }));
    expect(deltasIn(events)).toEqual([]);
    expect(outcome).toMatchObject({ kind: "failed", class: "model-output", usage: { promptTokens: 12 } });
  });

  test("that a limit cut is the text that there is", async () => {
    const { engine, ollama } = await startEngineRig();
    ollama.script("/api/chat", piece('{"city":"L'), done({ done_reason: "length" }));
    const { events, outcome } = await run(engine, chat({ tools: [map], toolChoice: "required" }));
    expect(deltasIn(events)).toEqual([{ kind: "content", text: '{"city":"L' }]);
    expect(outcome).toMatchObject({ kind: "done", finishReason: "length" });
  });

  test("of several tools is refused when their schemas refer to themselves", async () => {
    const { engine, ollama } = await startEngineRig();
    const tree = { name: "tree", parameters: { $defs: { t: {} }, properties: { t: { $ref: "#/$defs/t" } } } };
    const { outcome } = await run(engine, chat({ tools: [clock, tree], toolChoice: "required" }));
    expect(outcome).toMatchObject({ kind: "failed", class: "bad-request" });
    expect(ollama.callsOf("/api/chat")).toEqual([]);
  });
});
