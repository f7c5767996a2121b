import type { NodeReport } from "@coop/core";

/** Looks at the machine that the agent runs on. Cheap enough to be asked every few seconds. */
export interface Probe {
  /** What the machine is; the same while it runs. */
  machine(): Promise<MachineFacts>;
  /** How it is now. */
  state(): Promise<MachineState>;
  /** Memory that programs can still get without anything being moved to disk, bytes. */
  freeMemoryBytes(): number;
}

export interface MachineFacts {
  /** What generates: the graphics card of a PC that has one, else the machine's chip. */
  readonly chip: string;
  /** Such as "darwin arm64". */
  readonly platform: string;
  readonly memoryBytes: number;
  /** Memory of the graphics card, bytes; null when it shares the machine's. */
  readonly graphicsMemoryBytes: number | null;
}

export type MachineState = Pick<NodeReport, "pressure" | "thermal" | "power">;
