/**
 * PROGRAM for tests: the agent as it is, with so little patience for its engine that a hang can be watched, on a
 * machine that is as `machine-state.json` in the agent's home says, else well: what the tests' own machine has to
 * do must not move models.
 */
import { readFile } from "node:fs/promises";
import { totalmem } from "node:os";
import { join as joinPath } from "node:path";
import { parseArgs } from "node:util";
import { z } from "zod";
import { start } from "../../packages/agent/src/commands/start.ts";
import { readConfig } from "../../packages/agent/src/config.ts";
import { createPlainLog } from "../../packages/agent/src/plain-log.ts";
import type { Probe } from "../../packages/agent/src/probe/probe.ts";
import { createSystemProbe } from "../../packages/agent/src/probe/system-probe.ts";
import { createSystemTiming } from "../../packages/agent/src/timing.ts";

const LIMITS = { loadMs: 1_500, firstTokenMs: 1_500, idleMs: 1_500, totalMs: 30_000 };
const CANARY_INTERVALS = { secondMs: 200, healingMs: 500, healingMsMax: 1_000 };

const { values } = parseArgs({
  allowPositionals: true,
  options: {
    join: { type: "string" },
    name: { type: "string", default: "quick" },
    engine: { type: "string", default: "" },
    slots: { type: "string", default: "" },
  },
});
const drain = new AbortController();
process.once("SIGTERM", () => drain.abort());
const timing = createSystemTiming();
const { join, ...flags } = values;
const home = process.env["COOP_AGENT_HOME"] ?? "";
const system = createSystemProbe({ clock: timing, platform: process.platform });
const probe: Probe = {
  machine: system.machine,
  state: async () => ({ power: "mains", ...(await staged()) }),
  freeMemoryBytes: totalmem,
};

const stagedSchema = z.object({
  pressure: z.enum(["normal", "warning", "critical"]),
  thermal: z.enum(["nominal", "fair", "serious", "critical"]),
});

async function staged(): Promise<z.infer<typeof stagedSchema>> {
  try {
    return stagedSchema.parse(JSON.parse(await readFile(joinPath(home, "machine-state.json"), "utf8")));
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT")
      return { pressure: "normal", thermal: "nominal" };
    throw error;
  }
}

await start({
  config: await readConfig(home, flags, process.env),
  joinToken: join ?? null,
  stop: { drain: drain.signal, abort: new AbortController().signal },
  timing,
  random: { next: Math.random },
  log: createPlainLog("info", timing.now, (line) => process.stderr.write(`${line}\n`)),
  say: (line) => process.stdout.write(`${line}\n`),
  probe,
  patience: { limits: () => LIMITS, canaries: { limits: LIMITS, intervals: CANARY_INTERVALS } },
});
