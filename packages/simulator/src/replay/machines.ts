import { asMemberId, asNodeId, findModelRow, OperationalError, residentBytesOf } from "@coop/core";
import type { MachineRow } from "@coop/core";
import type { ReplayMachine, ReplayRequest } from "@coop/protocol";
import { buildNode } from "../fleets/build-node.ts";
import { machineOf } from "../fleets/fleet-file.ts";
import type { SimFleet, SimNode } from "../world/fleet.ts";

/** The co-op's machines as they reported: what was measured there is their true speed, and known from the start. */
export function fleetAsIs(machines: readonly ReplayMachine[]): SimFleet {
  return { nodes: machines.filter(({ slots }) => slots > 0).map(simNode) };
}

function simNode(machine: ReplayMachine, index: number): SimNode {
  return {
    index,
    id: asNodeId(`node_${String(index).padStart(4, "0")}`),
    name: machine.name,
    owner: asMemberId(machine.owner),
    profile: machine.profile ?? "",
    slots: machine.slots,
    modelMemoryBytes: machine.modelMemoryBytes,
    interference: machine.interference,
    models: machine.models
      .filter(({ residentBytes }) => residentBytes <= machine.modelMemoryBytes)
      .map((model, place) => ({
        index: place,
        name: model.name,
        tier: model.tier,
        capabilities: model.capabilities,
        contextTokens: model.contextTokens,
        residentBytes: model.residentBytes,
        parameterCount: model.parameterCount ?? 0,
        capacity: model.capacity,
        prior: model.capacity,
      })),
    tokensPerDay: machine.tokensPerDay,
    tokensPerMonth: machine.tokensPerMonth,
    cooling: { lostWhenHot: 0, timeConstantS: 600 },
    absences: [],
  };
}

/**
 * The fleet without some machines and with others of the catalogue, which have of the co-op's models those that fit,
 * smallest first.
 * @throws OperationalError `unknown-node`, `unknown-profile`, `empty-fleet`
 */
export function changedFleet(
  asIs: SimFleet,
  { without, add }: Pick<ReplayRequest, "without" | "add">,
): SimFleet {
  let kept = asIs.nodes;
  for (const wanted of without) {
    const left = kept.filter((node) => !isNamed(node, wanted));
    if (left.length === kept.length) {
      const known = kept.map(({ name }) => name).join(", ");
      throw new OperationalError("unknown-node", `The co-op has no machine "${wanted}". It has: ${known}.`);
    }
    kept = left;
  }
  const models = [...new Set(asIs.nodes.flatMap((node) => node.models.map(({ name }) => name)))];
  const added = add.flatMap(({ profile, count }) => {
    const machine = machineOf(profile);
    const name = `added ${machine.profile}`;
    const fitting = fittingModels(models, machine);
    return Array.from({ length: count }, (_, place) =>
      buildNode(0, {
        machine,
        name: count === 1 ? name : `${name} ${place + 1}`,
        ...(fitting.length > 0 ? { models: fitting } : {}),
      }),
    );
  });
  const nodes = [...kept, ...added].map((node, index) => ({
    ...node,
    index,
    id: asNodeId(`node_${String(index).padStart(4, "0")}`),
  }));
  if (nodes.length === 0) throw new OperationalError("empty-fleet", "No machine is left in the co-op.");
  return { nodes };
}

/** `mac-studio` means a machine called "Mac Studio M4 Max", or one of the profile `mac-studio-m4-max-128`. */
function isNamed({ name, profile }: SimNode, wanted: string): boolean {
  const plain = (text: string): string => text.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-");
  return [name, profile].some((known) => `${plain(known)}-`.startsWith(`${plain(wanted)}-`));
}

/** Tokens of context that a model must have room for to be worth having. */
const CONTEXT_TOKENS = 8_192;

function fittingModels(names: readonly string[], { memoryBytes, modelMemoryShare }: MachineRow): string[] {
  const sized = names.flatMap((name) => {
    const row = findModelRow(name);
    return row === null ? [] : [{ name, bytes: residentBytesOf(row.shape, CONTEXT_TOKENS, 1) }];
  });
  let leftBytes = memoryBytes * modelMemoryShare;
  return sized
    .toSorted((one, other) => one.bytes - other.bytes)
    .flatMap(({ name, bytes }) => {
      leftBytes -= bytes;
      return leftBytes >= 0 ? [name] : [];
    });
}
