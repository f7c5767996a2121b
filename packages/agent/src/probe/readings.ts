import type { MachineState } from "./probe.ts";

/** What the systems' own words mean. Pure. */

type Pressure = MachineState["pressure"];
type Thermal = MachineState["thermal"];

/** Available memory below these shares of all is short; models would be read from disk, or swapped, token by token. */
const WARNING_SHARE = 0.08;
const CRITICAL_SHARE = 0.03;
/** Stalled time over the last 10 s, in percent, that shows as sluggishness, and as standstill. */
const WARNING_STALL_PERCENT = 10;
const CRITICAL_STALL_PERCENT = 40;

/** From macOS's `sysctl -n kern.memorystatus_vm_pressure_level`: 1, 2 or 4. Null when it says something else. */
export function macPressure(text: string): Pressure | null {
  switch (text.trim()) {
    case "1":
      return "normal";
    case "2":
      return "warning";
    case "4":
      return "critical";
    default:
      return null;
  }
}

/** From Linux's /proc/pressure/memory: the share of time in which some task waited for memory. Null when absent. */
export function linuxPressure(text: string): Pressure | null {
  const match = /^some avg10=([\d.]+)/m.exec(text);
  if (match === null) return null;
  const percent = Number(match[1]);
  if (percent >= CRITICAL_STALL_PERCENT) return "critical";
  return percent >= WARNING_STALL_PERCENT ? "warning" : "normal";
}

/** From how much memory is left. */
export function availablePressure(availableBytes: number, totalBytes: number): Pressure {
  if (!(totalBytes > 0)) return "normal";
  const share = availableBytes / totalBytes;
  if (share < CRITICAL_SHARE) return "critical";
  return share < WARNING_SHARE ? "warning" : "normal";
}

const pressures: readonly Pressure[] = ["normal", "warning", "critical"];
export const worsePressure = (a: Pressure, b: Pressure): Pressure =>
  pressures.indexOf(a) > pressures.indexOf(b) ? a : b;

/** From macOS's `notifyutil -g com.apple.system.thermalpressurelevel`: 0 nominal, 1 moderate, 2 heavy, 3 and 4 worse. */
export function macThermal(text: string): Thermal {
  const match = /thermalpressurelevel\s+(\d+)/.exec(text);
  if (match === null) return "unknown";
  switch (match[1]) {
    case "0":
      return "nominal";
    case "1":
      return "fair";
    case "2":
      return "serious";
    default:
      return "critical";
  }
}

const FREQUENCY_CAPPED = 1 << 1;
const THROTTLED = 1 << 2;
const SOFT_LIMIT = 1 << 3;

/** From a Raspberry Pi's `vcgencmd get_throttled`: bits of now (low) and of since boot (high). */
export function raspberryThermal(text: string): Thermal {
  const match = /throttled=0x([0-9a-f]+)/i.exec(text);
  if (match?.[1] === undefined) return "unknown";
  const bits = Number.parseInt(match[1], 16);
  if ((bits & THROTTLED) !== 0) return "serious";
  return (bits & (FREQUENCY_CAPPED | SOFT_LIMIT)) !== 0 ? "fair" : "nominal";
}

/** From a chip's temperature, for machines that do not say whether they throttle. */
export function temperatureThermal(celsius: number | null): Thermal {
  if (celsius === null || !(celsius > 0)) return "unknown";
  if (celsius >= 95) return "serious";
  return celsius >= 85 ? "fair" : "nominal";
}
