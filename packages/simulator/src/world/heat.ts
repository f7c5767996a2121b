import type { Cooling } from "./fleet.ts";

/** Heat of a machine, from 0 (cool) to 1 (after long full use); it follows use with a time constant. */
export interface Heat {
  /** As of `atS`. */
  level: number;
  atS: number;
}

/** Below this level nothing is lost; from here to 1 the loss grows evenly. */
const WARM_LEVEL = 0.5;
/** Steps per time constant in which the speed of a busy machine is set anew. */
const STEPS = 20;
/** A level this near its end stands still. */
const SETTLED = 0.02;

/** Lets time pass with the machine in use or not. */
export function passHeat(heat: Heat, { timeConstantS }: Cooling, busy: boolean, nowS: number): void {
  const end = busy ? 1 : 0;
  heat.level = end + (heat.level - end) * Math.exp(-(nowS - heat.atS) / timeConstantS);
  heat.atS = nowS;
}

/** Speed at a level, as a share of the cool machine's. */
export const speedAt = (level: number, { lostWhenHot }: Cooling): number =>
  1 - (lostWhenHot * Math.max(0, level - WARM_LEVEL)) / (1 - WARM_LEVEL);

/** When the speed of a machine in use is to be set anew, seconds from now; Infinity when it stays. */
export const nextStepS = (level: number, { lostWhenHot, timeConstantS }: Cooling): number =>
  lostWhenHot === 0 || level > 1 - SETTLED ? Infinity : timeConstantS / STEPS;

/** As a probe reads it. */
export const thermalState = (level: number, { lostWhenHot }: Cooling): "nominal" | "fair" | "serious" => {
  if (lostWhenHot === 0 || level <= WARM_LEVEL) return "nominal";
  return level <= (1 + WARM_LEVEL) / 2 ? "fair" : "serious";
};
