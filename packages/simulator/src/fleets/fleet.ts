import { OperationalError } from "@coop/core";
import type { SimFleet } from "../world/fleet.ts";
import { buildNode } from "./build-node.ts";
import type { NodeWish } from "./build-node.ts";
import { machineOf } from "./fleet-file.ts";

/** The fleet of a new co-op: a fast machine, a small one and a tiny one, with one model of each tier that fits. */
export const seedFleet = (): readonly NodeWish[] => [
  {
    name: "mac-studio",
    machine: machineOf("mac-studio-m4-max-128"),
    slots: 4,
    models: ["llama3.2:3b", "qwen3:8b", "qwen3:32b"],
  },
  {
    name: "macbook-air",
    machine: machineOf("macbook-air-m4-32"),
    slots: 2,
    models: ["llama3.2:3b", "qwen3:8b"],
  },
  { name: "raspberry-pi", machine: machineOf("raspberry-pi-5-8"), slots: 1, models: ["llama3.2:3b"] },
];

/** Changes to a fleet: nodes to leave out, by name or profile, and machines to add. */
export interface FleetChanges {
  readonly without: readonly string[];
  readonly add: readonly { readonly profile: string; readonly count: number }[];
}

/**
 * @param wantedContextTokens context that the work needs, for nodes that name none.
 * @throws OperationalError `unknown-node`, `empty-fleet`, `unknown-profile` and those of `buildNode`
 */
export function buildFleet(
  wishes: readonly NodeWish[],
  { without, add }: FleetChanges,
  wantedContextTokens?: number,
): SimFleet {
  let kept = wishes;
  for (const name of without) {
    const left = kept.filter((wish) => wish.name !== name && wish.machine.profile !== name);
    if (left.length === kept.length) {
      const known = kept.map((wish) => wish.name).join(", ");
      throw new OperationalError("unknown-node", `The fleet has no node "${name}". It has: ${known}.`);
    }
    kept = left;
  }
  const added = add.flatMap(({ profile, count }) => {
    const machine = machineOf(profile);
    return Array.from({ length: count }, (_, place) => ({ name: `added-${profile}-${place + 1}`, machine }));
  });
  const all = [...kept, ...added];
  if (all.length === 0) throw new OperationalError("empty-fleet", "No node is left in the fleet.");
  return { nodes: all.map((wish, index) => buildNode(index, wish, wantedContextTokens)) };
}
