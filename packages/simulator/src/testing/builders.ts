import { asJobId, asMemberId, asNodeId, findModelRow, priorCapacity, residentBytesOf } from "@coop/core";
import { findMachineProfile } from "@coop/core";
import { buildJobSpec } from "@coop/core/testing";
import type { SimFleet, SimModel, SimNode } from "../world/fleet.ts";
import type { SimJob } from "../world/job.ts";
import { WORLD_START_MS } from "../world/world.ts";

function found<T>(value: T | null | undefined, name: string): T {
  if (value === null || value === undefined) throw new Error(`broken invariant: the catalogue has ${name}`);
  return value;
}

/** A cool machine of the catalogue with the given models, always there and without a budget. */
export function buildSimNode(
  index: number,
  profile: string,
  models: readonly string[],
  changes: Partial<SimNode> = {},
): SimNode {
  const row = found(findMachineProfile(profile), profile);
  const slots = changes.slots ?? 1;
  return {
    index,
    id: asNodeId(`node_${index}`),
    name: `${profile} ${index}`,
    owner: asMemberId("mem_owner"),
    profile,
    slots,
    modelMemoryBytes: row.memoryBytes * row.modelMemoryShare,
    interference: 1,
    models: models.map((name, place): SimModel => {
      const { shape, tier } = found(findModelRow(name), name);
      const capacity = priorCapacity(row, shape);
      return {
        index: place,
        name,
        tier,
        capabilities: ["completion"],
        contextTokens: 16_384,
        residentBytes: residentBytesOf(shape, 16_384, slots),
        parameterCount: shape.parameters,
        capacity,
        prior: capacity,
      };
    }),
    tokensPerDay: null,
    tokensPerMonth: null,
    cooling: { lostWhenHot: 0, timeConstantS: 600 },
    absences: [],
    ...changes,
  };
}

/** A Mac Studio with four slots, a MacBook Air with two, a Raspberry Pi with one. */
export const buildSimFleet = (): SimFleet => ({
  nodes: [
    buildSimNode(0, "mac-studio-m4-max-128", ["llama3.2:3b", "qwen3:8b", "qwen3:32b"], { slots: 4 }),
    buildSimNode(1, "macbook-air-m4-32", ["llama3.2:3b", "qwen3:8b"], { slots: 2 }),
    buildSimNode(2, "raspberry-pi-5-8", ["llama3.2:3b"]),
  ],
});

/** A job for a tier that shares no prefix. */
export function buildSimJob(index: number, changes: Partial<Omit<SimJob, "index">> = {}): SimJob {
  const promptTokens = changes.promptTokens ?? 1_000;
  const outputTokens = changes.outputTokens ?? 200;
  return {
    index,
    arrivalS: index,
    spec: buildJobSpec({
      id: asJobId(`job_${index}`),
      submittedAtMs: WORLD_START_MS + (changes.arrivalS ?? index) * 1000,
      deadlineMs: WORLD_START_MS + 1e12,
      target: { kind: "tier", tier: "edge" },
      promptTokens,
      promptTokensMax: promptTokens,
      maxOutputTokens: 2_048,
    }),
    promptTokens,
    outputTokens,
    prefix: null,
    sharedTokens: 0,
    ...changes,
  };
}
