import { spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { processorMsOf } from "./processor-time.ts";
import type { Rig } from "./rig.ts";
import { number } from "./table.ts";
import type { Row } from "./table.ts";

const SETTLE_MS = 5_000;
const WATCH_MS = 10_000;

/** What an agent takes while it has nothing to do; null where the system does not tell (it does on Linux). */
export async function restRow(rig: Rig): Promise<Row | null> {
  if (process.platform !== "linux") return null;
  const agent = await rig.restartAgent();
  const bare = spawn(process.execPath, ["--eval", "setInterval(() => {}, 60_000)"], { stdio: "ignore" });
  await delay(SETTLE_MS);
  const spent = await processorMsOf({ agent: [agent.pid] }, () => delay(WATCH_MS));
  const processorShare = (spent?.["agent"] ?? Number.NaN) / WATCH_MS;
  const residentMib = await residentMibOf(agent.pid);
  const bareMib = bare.pid === undefined ? Number.NaN : await residentMibOf(bare.pid);
  bare.kill();
  return {
    what: "agent at rest",
    figures: { residentMib, processorShare, bareMib },
    measured: `${number(residentMib)} MB, ${number(processorShare * 100)} % CPU`,
    bar: "< 80 MB, < 1 % CPU",
    aim: "< 60 MB",
    meetsBar: residentMib < 80 && processorShare < 0.01,
    floor: `Node.js that does nothing: ${number(bareMib)} MB`,
    includes:
      "One agent that had joined before, was started again, is connected and has run nothing since: resident memory " +
      `with everything that it shares with other programs, and processor time of all its threads in ${WATCH_MS / 1000} s.`,
  };
}

async function residentMibOf(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]) / 1024;
}
