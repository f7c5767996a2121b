import { findMachineProfile, findModelRow, OperationalError } from "@coop/core";
import type { MachineRow, ModelRow } from "@coop/core";

/** A machine to simulate: a row of the machine catalogue with slots and installed models. */
export interface SimulatedMachine {
  readonly row: MachineRow;
  /** As a person would call it, such as "Mac Studio M4 Max". */
  readonly name: string;
  readonly chip: string;
  /** Concurrent generations, as `OLLAMA_NUM_PARALLEL` would set. */
  readonly slots: number;
  readonly models: ReadonlyMap<string, ModelRow>;
}

interface SeedMachine {
  readonly profile: string;
  readonly name: string;
  readonly chip: string;
  readonly slots: number;
  readonly models: readonly string[];
}

/** The fleet that a new co-op is shown: a fast machine, a small one and a tiny one. */
const SEED_MACHINES: readonly SeedMachine[] = [
  {
    profile: "mac-studio-m4-max-128",
    name: "Mac Studio M4 Max",
    chip: "Apple M4 Max",
    slots: 4,
    models: ["llama3.2:3b", "qwen3:8b", "qwen3:32b", "llama3.3:70b", "nomic-embed-text"],
  },
  {
    profile: "macbook-air-m4-32",
    name: "MacBook Air M4",
    chip: "Apple M4",
    slots: 2,
    models: ["llama3.2:3b", "qwen3:8b", "nomic-embed-text"],
  },
  {
    profile: "raspberry-pi-5-8",
    name: "Raspberry Pi 5",
    chip: "Raspberry Pi 5 Model B",
    slots: 1,
    models: ["llama3.2:3b"],
  },
];

/** Profiles that can be simulated. */
export const SIMULATED_PROFILES: readonly string[] = SEED_MACHINES.map((machine) => machine.profile);

/** @throws OperationalError `unknown-profile` with the profiles there are. */
export function simulatedMachine(profile: string): SimulatedMachine {
  const seed = SEED_MACHINES.find((machine) => machine.profile === profile);
  const row = findMachineProfile(profile);
  if (!seed || !row) {
    throw new OperationalError(
      "unknown-profile",
      `No machine "${profile}" can be simulated. There are: ${SIMULATED_PROFILES.join(", ")}.`,
    );
  }
  const models = new Map<string, ModelRow>();
  for (const name of seed.models) {
    const model = findModelRow(name);
    if (model) models.set(name, model);
  }
  return { row, name: seed.name, chip: seed.chip, slots: seed.slots, models };
}
