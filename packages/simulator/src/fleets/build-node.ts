import {
  asMemberId,
  asNodeId,
  findModelRow,
  OperationalError,
  priorCapacity,
  residentBytesOf,
} from "@coop/core";
import type { MachineRow, ModelCapacity, Tier } from "@coop/core";
import type { Absence, Cooling, SimModel, SimNode } from "../world/fleet.ts";

/** What may be said of a machine; what is left out follows from its row in the catalogue. */
export interface NodeWish {
  readonly name: string;
  readonly machine: MachineRow;
  readonly owner?: string | undefined;
  readonly slots?: number | undefined;
  readonly models?: readonly string[] | undefined;
  /** Longest context of one generation; less where memory is short. */
  readonly contextTokens?: number | undefined;
  readonly interference?: number | undefined;
  /** True speed against the catalogue's, which the scheduler believes until it has measured. */
  readonly speed?: number | undefined;
  readonly lostWhenHot?: number | undefined;
  readonly tokensPerDay?: number | null | undefined;
  readonly tokensPerMonth?: number | null | undefined;
  readonly absences?: readonly Absence[] | undefined;
}

/** Context that covers all but contrived conversations; owners set it for the work that their co-op has. */
const USUAL_CONTEXT_TOKENS = 16_384;
const LEAST_CONTEXT_TOKENS = 2_048;
const HEAT_TIME_CONSTANT_S = 600;
/** Published losses of fanless laptops under lasting load are 10-60 %. */
const FANLESS_LOSS = 0.25;
/** One model of each tier, smallest first; a machine has those that fit into it together. */
const USUAL_MODELS = ["llama3.2:3b", "qwen3:8b", "qwen3:32b"];
/** Effective bandwidths from which a machine is worth more than one slot, bytes/s. */
const TWO_SLOTS_FROM = 60e9;
const FOUR_SLOTS_FROM = 300e9;

/** @throws OperationalError `unknown-model`, `model-too-large` */
export function buildNode(index: number, wish: NodeWish): SimNode {
  const { machine, name } = wish;
  const slots = wish.slots ?? usualSlots(machine);
  const modelMemoryBytes = machine.memoryBytes * machine.modelMemoryShare;
  const contextTokens = wish.contextTokens ?? USUAL_CONTEXT_TOKENS;
  const sized = (model: string) => sizedModel(wish, model, { slots, modelMemoryBytes, contextTokens });
  const models = wish.models?.map(sized) ?? usualModels(sized, modelMemoryBytes);
  return {
    index,
    id: asNodeId(`node_${String(index).padStart(4, "0")}`),
    name,
    owner: asMemberId(wish.owner ?? `mem_owner-of-${name}`),
    profile: machine.profile,
    slots,
    modelMemoryBytes,
    interference: wish.interference ?? 1,
    models: models.map((model, place) => ({ ...model, index: place })),
    tokensPerDay: wish.tokensPerDay ?? null,
    tokensPerMonth: wish.tokensPerMonth ?? null,
    cooling: coolingOf(wish),
    absences: wish.absences ?? [],
  };
}

const usualSlots = ({ effectiveBytesPerSecond }: MachineRow): number => {
  if (effectiveBytesPerSecond >= FOUR_SLOTS_FROM) return 4;
  return effectiveBytesPerSecond >= TWO_SLOTS_FROM ? 2 : 1;
};

function coolingOf({ machine, lostWhenHot }: NodeWish): Cooling {
  const usual = machine.profile.startsWith("macbook-air") ? FANLESS_LOSS : 0;
  return { lostWhenHot: lostWhenHot ?? usual, timeConstantS: HEAT_TIME_CONSTANT_S };
}

function usualModels(sized: (name: string) => SimModel, modelMemoryBytes: number): SimModel[] {
  const models: SimModel[] = [];
  let usedBytes = 0;
  for (const name of USUAL_MODELS) {
    const model = sized(name);
    usedBytes += model.residentBytes;
    if (usedBytes <= modelMemoryBytes || models.length === 0) models.push(model);
  }
  return models;
}

function sizedModel(
  { machine, name: nodeName, speed = 1 }: NodeWish,
  name: string,
  room: { readonly slots: number; readonly modelMemoryBytes: number; readonly contextTokens: number },
): SimModel {
  const row = findModelRow(name);
  if (row === null) {
    throw new OperationalError("unknown-model", `"${name}" of ${nodeName} is not in the model catalogue.`);
  }
  const { shape } = row;
  const fits = (contextTokens: number): boolean =>
    residentBytesOf(shape, contextTokens, room.slots) <= room.modelMemoryBytes;
  let { contextTokens } = room;
  while (!fits(contextTokens) && contextTokens > LEAST_CONTEXT_TOKENS)
    contextTokens = Math.floor(contextTokens / 2);
  if (!fits(contextTokens)) {
    throw new OperationalError(
      "model-too-large",
      `${name} does not fit into ${nodeName} (${gigabytes(room.modelMemoryBytes)} for models) with ${room.slots} slots: ` +
        "give it fewer slots or a smaller model.",
    );
  }
  const prior = priorCapacity(machine, shape);
  const isEmbedder = name.includes("embed");
  return {
    index: 0,
    name,
    tier: row.tier,
    capabilities: isEmbedder ? ["embedding"] : ["completion", "tools"],
    contextTokens,
    residentBytes: residentBytesOf(shape, contextTokens, room.slots),
    parameterCount: shape.parameters,
    capacity: atSpeed(prior, speed),
    prior,
  };
}

const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(0)} GB`;

const atSpeed = (prior: ModelCapacity, speed: number): ModelCapacity =>
  speed === 1
    ? prior
    : {
        ...prior,
        fixedMsPerToken: { value: prior.fixedMsPerToken.value / speed, basis: "measured" },
        effectiveBytesPerSecond: { value: prior.effectiveBytesPerSecond.value * speed, basis: "measured" },
        prefillTokensPerSecond: { value: prior.prefillTokensPerSecond.value * speed, basis: "measured" },
      };

/** Tiers that a fleet has a model for, whatever its context. */
export const tiersOf = (nodes: readonly SimNode[]): ReadonlySet<Tier> =>
  new Set(nodes.flatMap(({ models }) => models.map(({ tier }) => tier)));
