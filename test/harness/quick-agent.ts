/** PROGRAM for tests: the agent as it is, with so little patience for its engine that a hang can be watched. */
import { parseArgs } from "node:util";
import { start } from "../../packages/agent/src/commands/start.ts";
import { readConfig } from "../../packages/agent/src/config.ts";
import { createPlainLog } from "../../packages/agent/src/plain-log.ts";
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
await start({
  config: await readConfig(process.env["COOP_AGENT_HOME"] ?? "", flags, process.env),
  joinToken: join ?? null,
  stop: { drain: drain.signal, abort: new AbortController().signal },
  timing,
  random: { next: Math.random },
  log: createPlainLog("info", timing.now, (line) => process.stderr.write(`${line}\n`)),
  say: (line) => process.stdout.write(`${line}\n`),
  patience: { limits: () => LIMITS, canaries: { limits: LIMITS, intervals: CANARY_INTERVALS } },
});
