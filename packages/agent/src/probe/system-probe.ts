import { readFile } from "node:fs/promises";
import { freemem } from "node:os";
import type { Clock } from "@coop/core";
import si from "systeminformation";
import { outputOf } from "./output-of.ts";
import type { MachineFacts, MachineState, Probe } from "./probe.ts";
import {
  availablePressure,
  linuxPressure,
  macPressure,
  macThermal,
  raspberryThermal,
  temperatureThermal,
  worsePressure,
} from "./readings.ts";

/** How long a reading of memory stands, ms. */
const MEMORY_MS = 5_000;
/** How long a reading of heat and power stands, ms. On some systems it starts a program. */
const HEAT_AND_POWER_MS = 30_000;
/** Least memory of a card that is worth generating on, MB. */
const CARD_MEGABYTES_MIN = 4096;

/** The machine that this process runs on. */
export function createSystemProbe({
  clock,
  platform,
}: {
  readonly clock: Clock;
  readonly platform: NodeJS.Platform;
}): Probe {
  let facts: Promise<MachineFacts> | null = null;
  const machine = (): Promise<MachineFacts> => (facts ??= readFacts(platform));
  const pressure = cached(clock, MEMORY_MS, () => readPressure(platform));
  const thermal = cached(clock, HEAT_AND_POWER_MS, async () => readThermal(platform, (await machine()).chip));
  const power = cached(clock, HEAT_AND_POWER_MS, readPower);
  return {
    machine,
    async state() {
      const [pressureNow, thermalNow, powerNow] = await Promise.all([pressure(), thermal(), power()]);
      return { pressure: pressureNow, thermal: thermalNow, power: powerNow };
    },
    freeMemoryBytes: freemem,
  };
}

function cached<T>(clock: Clock, forMs: number, read: () => Promise<T>): () => Promise<T> {
  let last: { readonly untilMs: number; readonly reading: Promise<T> } | null = null;
  return () => {
    if (last === null || last.untilMs <= clock.now())
      last = { untilMs: clock.now() + forMs, reading: read() };
    return last.reading;
  };
}

async function readFacts(platform: NodeJS.Platform): Promise<MachineFacts> {
  const [cpu, memory, system, graphics] = await Promise.all([si.cpu(), si.mem(), si.system(), si.graphics()]);
  const card = graphics.controllers.find(
    ({ vendor, model, vram }) => /nvidia/i.test(`${vendor} ${model}`) && (vram ?? 0) >= CARD_MEGABYTES_MIN,
  );
  return {
    chip: chipName(card?.model, system.model, `${cpu.manufacturer} ${cpu.brand}`),
    platform: `${platform} ${process.arch}`,
    memoryBytes: memory.total,
    graphicsMemoryBytes: card === undefined ? null : (card.vram ?? 0) * 1024 * 1024,
  };
}

/** A Raspberry Pi's chip does not tell which Pi it is; its model does. */
function chipName(card: string | undefined, system: string, cpu: string): string {
  if (card !== undefined && card !== "") return card;
  if (/raspberry pi/i.test(system)) return system.trim();
  return cpu.replaceAll(/\s+/g, " ").trim() || "unknown";
}

async function readPressure(platform: NodeJS.Platform): Promise<MachineState["pressure"]> {
  if (platform === "darwin") {
    const level = macPressure(await outputOf("sysctl", ["-n", "kern.memorystatus_vm_pressure_level"]));
    if (level !== null) return level;
  }
  const { available, total } = await si.mem();
  const byAvailable = availablePressure(available, total);
  if (platform !== "linux") return byAvailable;
  return worsePressure(byAvailable, linuxPressure(await text("/proc/pressure/memory")) ?? "normal");
}

async function readThermal(platform: NodeJS.Platform, chip: string): Promise<MachineState["thermal"]> {
  if (platform === "darwin") {
    return macThermal(await outputOf("notifyutil", ["-g", "com.apple.system.thermalpressurelevel"]));
  }
  if (/raspberry pi/i.test(chip)) return raspberryThermal(await outputOf("vcgencmd", ["get_throttled"]));
  return temperatureThermal((await si.cpuTemperature()).main);
}

async function readPower(): Promise<MachineState["power"]> {
  const { hasBattery, acConnected } = await si.battery();
  return !hasBattery || acConnected ? "mains" : "battery";
}

/** What a file of the system says; nothing where there is none. */
async function text(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error) return "";
    throw error;
  }
}
