import {
  asMemberId,
  asNodeId,
  findModelRow,
  OperationalError,
  priorCapacity,
  residentBytesOf,
} from "@coop/core";
import type { MachineRow, ModelCapacity, ModelRow } from "@coop/core";
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

/** Context that covers all but contrived conversations. */
export const USUAL_CONTEXT_TOKENS = 16_384;
const LEAST_CONTEXT_TOKENS = 2_048;
const HEAT_TIME_CONSTANT_S = 600;
/** Published losses of fanless laptops under lasting load are 10-60 %. */
const FANLESS_LOSS = 0.25;
/** One model of each tier, smallest first; a machine has those that fit into it together. */
const USUAL_MODELS = ["llama3.2:3b", "qwen3:8b", "qwen3:32b"];
/** Effective bandwidths from which a machine is worth more than one slot, bytes/s. */
const TWO_SLOTS_FROM = 60e9;
const FOUR_SLOTS_FROM = 300e9;

/**
 * @param wantedContextTokens context that the co-op's work needs; a node whose wish names none gets it as far as its
 * models still fit into memory at once, and what is usual at least.
 * @throws OperationalError `unknown-model`, `model-too-large`
 */
export function buildNode(
  index: number,
  wish: NodeWish,
  wantedContextTokens = USUAL_CONTEXT_TOKENS,
): SimNode {
  const { machine, name } = wish;
  const slots = wish.slots ?? usualSlots(machine);
  const modelMemoryBytes = machine.memoryBytes * machine.modelMemoryShare;
  const usual: Room = { slots, modelMemoryBytes, contextTokens: wish.contextTokens ?? USUAL_CONTEXT_TOKENS };
  const names = wish.models ?? usualModels(wish, usual);
  const room = wish.contextTokens === undefined ? widened(wish, names, usual, wantedContextTokens) : usual;
  const models = names.map((model) => sizedModel(wish, model, room));
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

/** As many as fit at once with their whole context, the smallest at least. */
function usualModels(wish: NodeWish, room: Room): string[] {
  const names: string[] = [];
  for (const name of USUAL_MODELS) {
    if (names.length === 0 || fitAtOnce(wish, [...names, name], room)) names.push(name);
  }
  return names;
}

const fitAtOnce = (wish: NodeWish, names: readonly string[], room: Room): boolean =>
  names.reduce((sum, name) => sum + residentBytes(modelRow(wish, name), room.contextTokens, room), 0) <=
  room.modelMemoryBytes;

/** The room with twice the context, and again, up to what is wanted, while the models fit at once. */
function widened(wish: NodeWish, names: readonly string[], room: Room, wantedTokens: number): Room {
  const wider = { ...room, contextTokens: room.contextTokens * 2 };
  if (room.contextTokens >= wantedTokens || !fitAtOnce(wish, names, wider)) return room;
  return widened(wish, names, wider, wantedTokens);
}

interface Room {
  readonly slots: number;
  readonly modelMemoryBytes: number;
  readonly contextTokens: number;
}

const residentBytes = ({ shape }: ModelRow, contextTokens: number, { slots }: Room): number =>
  residentBytesOf(shape, contextTokens, slots);

function modelRow({ name: node }: NodeWish, name: string): ModelRow {
  const row = findModelRow(name);
  if (row !== null) return row;
  throw new OperationalError("unknown-model", `"${name}" of ${node} is not in the model catalogue.`);
}

function sizedModel(wish: NodeWish, name: string, room: Room): SimModel {
  const { machine, speed = 1 } = wish;
  const row = modelRow(wish, name);
  const fits = (tokens: number): boolean => residentBytes(row, tokens, room) <= room.modelMemoryBytes;
  let { contextTokens } = room;
  while (!fits(contextTokens) && contextTokens > LEAST_CONTEXT_TOKENS)
    contextTokens = Math.floor(contextTokens / 2);
  if (!fits(contextTokens)) {
    throw new OperationalError(
      "model-too-large",
      `${name} does not fit into ${wish.name} (${gigabytes(room.modelMemoryBytes)} for models) with ${room.slots} slots: ` +
        "give it fewer slots or a smaller model.",
    );
  }
  const prior = priorCapacity(machine, row.shape);
  return {
    index: 0,
    name,
    tier: row.tier,
    capabilities: name.includes("embed") ? ["embedding"] : ["completion", "tools"],
    contextTokens,
    residentBytes: residentBytes(row, contextTokens, room),
    parameterCount: row.shape.parameters,
    capacity: atSpeed(prior, speed),
    prior,
  };
}

const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(0)} GB`;

/** The same machine, faster or slower by a factor; loading aside. */
export const atSpeed = (prior: ModelCapacity, speed: number): ModelCapacity =>
  speed === 1
    ? prior
    : {
        ...prior,
        fixedMsPerToken: { value: prior.fixedMsPerToken.value / speed, basis: "measured" },
        effectiveBytesPerSecond: { value: prior.effectiveBytesPerSecond.value * speed, basis: "measured" },
        prefillTokensPerSecond: { value: prior.prefillTokensPerSecond.value * speed, basis: "measured" },
      };
