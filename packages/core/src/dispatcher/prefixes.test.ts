import { describe, expect, test } from "vitest";
import {
  buildJobSpec,
  buildModelCapacity,
  buildModelReport,
  buildNodeIdentity,
  buildNodeJoined,
  buildNodeReport,
  createManualClock,
} from "../testing/index.ts";
import { asJobId, asNodeId } from "../terms.ts";
import { createDispatcher } from "./dispatcher.ts";
import { createPrefixes } from "./prefixes.ts";

const turn = (session: string | null, promptTokens = 1_000) => buildJobSpec({ session, promptTokens });
const AT = { node: 3, model: "qwen3:8b", slots: 2, tokens: 900 };

describe("a conversation's prefix", () => {
  test("is held where its last turn was, as far as that went", () => {
    const prefixes = createPrefixes();
    prefixes.ended(turn("c"), AT);
    expect(prefixes.cachedTokens(turn("c"), 3, "qwen3:8b")).toBe(810);
    expect(prefixes.cachedTokens(turn("c", 100), 3, "qwen3:8b")).toBe(90);
    expect(prefixes.cachedTokens(turn("c"), 4, "qwen3:8b")).toBe(0);
    expect(prefixes.cachedTokens(turn("c"), 3, "llama3.2:3b")).toBe(0);
    expect(prefixes.cachedTokens(turn("other"), 3, "qwen3:8b")).toBe(0);
    expect(prefixes.cachedTokens(turn(null), 3, "qwen3:8b")).toBe(0);
    expect([prefixes.lastNode(turn("c")), prefixes.lastNode(turn("other"))]).toEqual([3, null]);
  });

  test("is gone when as many other prompts as slots came to the model", () => {
    const prefixes = createPrefixes();
    prefixes.ended(turn("c"), AT);
    prefixes.started(turn("d"), 3, "llama3.2:3b");
    prefixes.started(turn("c"), 3, "qwen3:8b");
    prefixes.started(turn("d"), 3, "qwen3:8b");
    expect(prefixes.cachedTokens(turn("c"), 3, "qwen3:8b")).toBe(810);
    prefixes.started(turn(null), 3, "qwen3:8b");
    expect(prefixes.cachedTokens(turn("c"), 3, "qwen3:8b")).toBe(0);
  });

  test("of a conversation silent for long is forgotten", () => {
    const prefixes = createPrefixes();
    for (let count = 0; count < 20_001; count += 1) prefixes.ended(turn(`c${count}`), AT);
    expect(prefixes.lastNode(turn("c0"))).toBeNull();
    expect(prefixes.lastNode(turn("c1"))).toBe(3);
  });
});

describe("placement", () => {
  const fleetOf = (nodes: number) => {
    const dispatcher = createDispatcher({ clock: createManualClock() });
    const capacity = (prefillTokensPerSecond: number) =>
      buildModelCapacity({ prefillTokensPerSecond: { value: prefillTokensPerSecond, basis: "measured" } });
    for (let index = 0; index < nodes; index += 1) {
      dispatcher.step(
        buildNodeJoined({
          identity: buildNodeIdentity({ id: asNodeId(`node_${index}`), name: `n${index}` }),
          report: buildNodeReport({
            slots: 1,
            models: [buildModelReport({ capacity: capacity(index === 0 ? 900 : 1_000) })],
          }),
        }),
      );
    }
    return dispatcher;
  };

  test.each([2, 200])(
    "of %i nodes takes the one that holds the conversation, though others are faster",
    (nodes) => {
      const dispatcher = fleetOf(nodes);
      const busy = Array.from({ length: nodes - 1 }, (_, index) => {
        const spec = buildJobSpec({ id: asJobId(`busy_${index}`), promptTokens: 2_000 });
        dispatcher.step({ kind: "job-pending", spec, excludedNodes: [], notBeforeMs: 0 });
        return spec;
      });
      const ask = (id: string) => {
        const spec = buildJobSpec({ id: asJobId(id), session: "c", promptTokens: 4_000 });
        return dispatcher.step({ kind: "job-pending", spec, excludedNodes: [], notBeforeMs: 0 })[0]?.node;
      };
      const end = (id: string) =>
        dispatcher.step({
          kind: "attempt-ended",
          job: asJobId(id),
          usage: { promptTokens: 4_000, outputTokens: 50 },
        });
      expect(ask("first")).toBe("node_0");
      end("first");
      for (const { id } of busy) end(id);
      expect(ask("second")).toBe("node_0");
      end("second");
      const stranger = buildJobSpec({ id: asJobId("stranger"), promptTokens: 4_000 });
      const [elsewhere] = dispatcher.step({
        kind: "job-pending",
        spec: stranger,
        excludedNodes: [],
        notBeforeMs: 0,
      });
      expect(elsewhere?.node).not.toBe("node_0");
    },
  );
});
