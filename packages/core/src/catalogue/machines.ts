/**
 * Machines that priors come from. What a node measures replaces every figure here.
 *
 * Fitted rows: llama.cpp discussion 4167 (Llama 2 7B at F16, Q8_0 and Q4_0 on Apple chips), fitted within
 * 2.4 % by `layers x fixed time + bytes / effective bandwidth`. Derived rows have a nominal bandwidth only
 * and take the averages of that fit. Disk rates and batch factors are assumptions, on the safe side.
 */
export interface MachineRow {
  /** Key under which a node names the row that its priors come from. */
  readonly profile: string;
  /** For people. */
  readonly label: string;
  /** Matches the chip's name as a host probe finds it. */
  readonly chip: RegExp;
  readonly memoryBytes: number;
  /** Memory bandwidth by the data sheet, bytes/s. */
  readonly nominalBytesPerSecond: number;
  /** Memory bandwidth that decoding reaches, bytes/s. */
  readonly effectiveBytesPerSecond: number;
  /** Time per token and layer that bandwidth does not explain, ms. */
  readonly fixedMsPerLayer: number;
  /** Prompt processing: active parameters x tokens, per second. */
  readonly prefillParametersPerSecond: number;
  /** Share that each further generation adds to the step time of one batch. */
  readonly batchFactor: { readonly dense: number; readonly mixtureOfExperts: number };
  /** How fast weights come from disk, bytes/s. */
  readonly diskBytesPerSecond: number;
  /** Power under load, watts. */
  readonly watts: number;
  /** Part of the memory that models may use. */
  readonly modelMemoryShare: number;
  readonly source: string;
}

const GIB = 2 ** 30;
const REFERENCE_LAYERS = 32;
const REFERENCE_PARAMETERS = 6.74e9;
const FITTED = "llama.cpp discussion 4167, fitted";
const DERIVED = "nominal bandwidth x 0.88, 0.14 ms a layer (mean of the fit to llama.cpp discussion 4167)";

/** Published ranges are 0.09-0.20 dense and 0.30-0.45 MoE on M2 Ultra class machines; overstating costs less. */
const GPU_BATCHING = { dense: 0.2, mixtureOfExperts: 0.45 };
/** On a CPU a second generation takes nearly its full share. Assumed. */
const CPU_BATCHING = { dense: 0.8, mixtureOfExperts: 0.9 };

interface FittedChip {
  readonly profile: string;
  readonly label: string;
  readonly chip: RegExp;
  readonly memoryGib: number;
  readonly nominalGb: number;
  readonly effectiveGb: number;
  /** Fixed time per token of a 32-layer model, ms. */
  readonly fixedMs: number;
  /** Prompt rate of a 7B model at Q4_0, tokens/s. */
  readonly promptRate: number;
  readonly diskGb: number;
  readonly watts: number;
}

const fitted = (chip: FittedChip): MachineRow => ({
  profile: chip.profile,
  label: chip.label,
  chip: chip.chip,
  memoryBytes: chip.memoryGib * GIB,
  nominalBytesPerSecond: chip.nominalGb * 1e9,
  effectiveBytesPerSecond: chip.effectiveGb * 1e9,
  fixedMsPerLayer: chip.fixedMs / REFERENCE_LAYERS,
  prefillParametersPerSecond: chip.promptRate * REFERENCE_PARAMETERS,
  batchFactor: GPU_BATCHING,
  diskBytesPerSecond: chip.diskGb * 1e9,
  watts: chip.watts,
  modelMemoryShare: 0.7,
  source: FITTED,
});

interface NominalChip {
  readonly profile: string;
  readonly label: string;
  readonly chip: RegExp;
  readonly memoryGib: number;
  readonly nominalGb: number;
  readonly watts: number;
}

/** The fitted chips process 1.6-1.8 prompt tokens of a 7B model a second per nominal GB/s. */
const PROMPT_RATE_PER_NOMINAL_GB = 1.65;

const derived = (chip: NominalChip): MachineRow => ({
  ...fitted({
    ...chip,
    effectiveGb: chip.nominalGb * 0.88,
    fixedMs: 0.14 * REFERENCE_LAYERS,
    promptRate: chip.nominalGb * PROMPT_RATE_PER_NOMINAL_GB,
    diskGb: 2,
  }),
  source: DERIVED,
});

const MAC_STUDIO_M4_MAX = fitted({
  profile: "mac-studio-m4-max-128",
  label: "Mac Studio M4 Max (40-core GPU), 128 GB",
  chip: /\bM4 Max\b/i,
  memoryGib: 128,
  nominalGb: 546,
  effectiveGb: 492,
  fixedMs: 4.1,
  promptRate: 886,
  diskGb: 3,
  watts: 120,
});

const MACBOOK_AIR_M4 = fitted({
  profile: "macbook-air-m4-32",
  label: "MacBook Air M4, 32 GB",
  chip: /\bM4\b/i,
  memoryGib: 32,
  nominalGb: 120,
  effectiveGb: 104,
  fixedMs: 4.7,
  promptRate: 221,
  diskGb: 2,
  watts: 15,
});

const RASPBERRY_PI_5: MachineRow = {
  profile: "raspberry-pi-5-8",
  label: "Raspberry Pi 5, 8 GB",
  chip: /\bRaspberry Pi 5/i,
  memoryBytes: 8 * GIB,
  nominalBytesPerSecond: 17.07e9,
  effectiveBytesPerSecond: 10e9,
  fixedMsPerLayer: 0,
  prefillParametersPerSecond: 35 * 1.24e9,
  batchFactor: CPU_BATCHING,
  diskBytesPerSecond: 0.4e9,
  watts: 10,
  modelMemoryShare: 0.7,
  source:
    "Ollama on a Pi 5: 3B 4.6-4.9, 8B 2.2, 14B 1.2 tokens/s; 35-45 prompt tokens/s for 1B; LPDDR4X-4267 x 32 bit",
};

/**
 * The machine whose seconds are the co-op's unit of account: service is charged as the time that the same
 * work would take on it.
 */
export const REFERENCE_MACHINE: MachineRow = MAC_STUDIO_M4_MAX;

/** What a machine that matches no row is taken for: a CPU with ordinary desktop memory. */
export const UNKNOWN_MACHINE: MachineRow = {
  ...RASPBERRY_PI_5,
  profile: "unknown-machine",
  label: "unknown machine",
  chip: /(?!)/,
  memoryBytes: 16 * GIB,
  nominalBytesPerSecond: 50e9,
  effectiveBytesPerSecond: 30e9,
  prefillParametersPerSecond: 35 * 1.24e9 * 4,
  diskBytesPerSecond: 0.5e9,
  watts: 65,
  source: "assumed: dual-channel DDR4 and four times a Raspberry Pi's prompt rate",
};

/** All rows, a more specific chip name before a less specific one. */
export const machineProfiles: readonly MachineRow[] = [
  fitted({
    profile: "m4-max-32c-36",
    label: "M4 Max (32-core GPU), 36 GB",
    chip: /\bM4 Max\b/i,
    memoryGib: 36,
    nominalGb: 410,
    effectiveGb: 359,
    fixedMs: 3.4,
    promptRate: 714,
    diskGb: 3,
    watts: 100,
  }),
  MAC_STUDIO_M4_MAX,
  fitted({
    profile: "m4-pro-48",
    label: "M4 Pro (20-core GPU), 48 GB",
    chip: /\bM4 Pro\b/i,
    memoryGib: 48,
    nominalGb: 273,
    effectiveGb: 250,
    fixedMs: 4.2,
    promptRate: 440,
    diskGb: 3,
    watts: 60,
  }),
  MACBOOK_AIR_M4,
  fitted({
    profile: "mac-studio-m3-ultra-256",
    label: "Mac Studio M3 Ultra (80-core GPU), 256 GB",
    chip: /\bM3 Ultra\b/i,
    memoryGib: 256,
    nominalGb: 800,
    effectiveGb: 674,
    fixedMs: 5.1,
    promptRate: 1471,
    diskGb: 3,
    watts: 180,
  }),
  derived({
    profile: "m3-max-64",
    label: "M3 Max, 64 GB",
    chip: /\bM3 Max\b/i,
    memoryGib: 64,
    nominalGb: 400,
    watts: 100,
  }),
  derived({
    profile: "m3-pro-36",
    label: "M3 Pro, 36 GB",
    chip: /\bM3 Pro\b/i,
    memoryGib: 36,
    nominalGb: 150,
    watts: 50,
  }),
  derived({
    profile: "m3-24",
    label: "M3, 24 GB",
    chip: /\bM3\b/i,
    memoryGib: 24,
    nominalGb: 100,
    watts: 15,
  }),
  derived({
    profile: "m2-ultra-192",
    label: "M2 Ultra, 192 GB",
    chip: /\bM2 Ultra\b/i,
    memoryGib: 192,
    nominalGb: 800,
    watts: 150,
  }),
  derived({
    profile: "m2-max-64",
    label: "M2 Max, 64 GB",
    chip: /\bM2 Max\b/i,
    memoryGib: 64,
    nominalGb: 400,
    watts: 90,
  }),
  derived({
    profile: "m2-pro-32",
    label: "M2 Pro, 32 GB",
    chip: /\bM2 Pro\b/i,
    memoryGib: 32,
    nominalGb: 200,
    watts: 50,
  }),
  derived({
    profile: "m2-24",
    label: "M2, 24 GB",
    chip: /\bM2\b/i,
    memoryGib: 24,
    nominalGb: 100,
    watts: 15,
  }),
  derived({
    profile: "m1-ultra-128",
    label: "M1 Ultra, 128 GB",
    chip: /\bM1 Ultra\b/i,
    memoryGib: 128,
    nominalGb: 800,
    watts: 150,
  }),
  derived({
    profile: "m1-max-64",
    label: "M1 Max, 64 GB",
    chip: /\bM1 Max\b/i,
    memoryGib: 64,
    nominalGb: 400,
    watts: 90,
  }),
  derived({
    profile: "m1-pro-32",
    label: "M1 Pro, 32 GB",
    chip: /\bM1 Pro\b/i,
    memoryGib: 32,
    nominalGb: 200,
    watts: 50,
  }),
  derived({ profile: "m1-16", label: "M1, 16 GB", chip: /\bM1\b/i, memoryGib: 16, nominalGb: 68, watts: 15 }),
  derived({
    profile: "rtx-5090",
    label: "GeForce RTX 5090, 32 GB",
    chip: /\bRTX 5090\b/i,
    memoryGib: 32,
    nominalGb: 1792,
    watts: 950,
  }),
  derived({
    profile: "rtx-4090",
    label: "GeForce RTX 4090, 24 GB",
    chip: /\bRTX 4090\b/i,
    memoryGib: 24,
    nominalGb: 1008,
    watts: 750,
  }),
  RASPBERRY_PI_5,
];

/** The row of a profile key; null when there is none. */
export const findMachineProfile = (profile: string): MachineRow | null =>
  machineProfiles.find((row) => row.profile === profile) ?? null;

/**
 * The row for a chip's name, such as "Apple M4 Max"; where several rows share a chip, the one whose memory
 * is nearest. Null when none fits.
 */
export function matchMachine(chip: string, memoryBytes: number): MachineRow | null {
  const first = machineProfiles.find((row) => row.chip.test(chip));
  if (first === undefined) return null;
  const distance = (row: MachineRow) => Math.abs(row.memoryBytes - memoryBytes);
  return machineProfiles
    .filter((row) => row.chip.source === first.chip.source)
    .reduce((best, row) => (distance(row) < distance(best) ? row : best));
}
