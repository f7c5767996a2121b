import { asMemberId, asNodeId } from "@coop/core";
import type { NodeView } from "@coop/core";
import { buildModelReport, buildNodeIdentity, buildNodeReport, buildNodeView } from "@coop/core/testing";

/** A Studio with chat, vision and embedding models, and Bob's Pi with one small model of 4,096 tokens of context. */
export function defaultFleet(): readonly NodeView[] {
  const chat = buildModelReport({
    name: "qwen3:32b",
    parameterCount: 32e9,
    capabilities: ["completion", "tools", "thinking"],
    contextTokens: 32_768,
  });
  const small = buildModelReport({ name: "llama3.2:3b" });
  const vision = buildModelReport({
    name: "gemma4:latest",
    parameterCount: 12e9,
    capabilities: ["completion", "vision"],
  });
  const embedder = buildModelReport({
    name: "nomic-embed-text:latest",
    parameterCount: 137e6,
    capabilities: ["embedding"],
    contextTokens: 2048,
  });
  return [
    buildNodeView({ report: buildNodeReport({ models: [chat, small, vision, embedder] }) }),
    buildNodeView({
      identity: buildNodeIdentity({ id: asNodeId("node_pi"), name: "pi", owner: asMemberId("mem_bob") }),
      report: buildNodeReport({
        slots: 1,
        models: [buildModelReport({ name: "llama3.2:3b", contextTokens: 4096 })],
      }),
    }),
  ];
}
