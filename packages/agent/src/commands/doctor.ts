import { networkInterfaces } from "node:os";
import { checkEngine, checkExposure, checkSlots } from "../doctor/engine.ts";
import type { Finding } from "../doctor/finding.ts";
import { checkHome, checkMemory, checkNode } from "../doctor/machine.ts";
import { checkServer } from "../doctor/server.ts";
import type { ServerAnswer } from "../doctor/server.ts";
import { parseOllamaHost } from "../engines/ollama/host.ts";
import { addressOn, getContent } from "../http-client.ts";
import { readIdentity } from "../identity.ts";
import { LOOK_MS, standBy } from "./one-look.ts";
import type { CommandDeps } from "./one-look.ts";

const SIGNS: Readonly<Record<Finding["verdict"], string>> = { good: "ok", warning: "!!", problem: "NO" };

/**
 * Looks at everything that an agent needs, and says what to do about what is wrong.
 * @returns whether nothing keeps the agent from serving
 */
export async function doctor(deps: CommandDeps, json: boolean): Promise<boolean> {
  const findings = await examine(deps);
  const serves = findings.every(({ verdict }) => verdict !== "problem");
  if (json) {
    deps.say(JSON.stringify({ serves, findings }, null, 2));
    return serves;
  }
  const width = Math.max(...findings.map(({ check }) => check.length));
  for (const { check, verdict, found, fix } of findings) {
    deps.say(`${SIGNS[verdict]}  ${check.padEnd(width)}  ${found}`);
    if (fix !== null) deps.say(`    ${"".padEnd(width)}  -> ${fix}`);
  }
  return serves;
}

async function examine(deps: CommandDeps): Promise<readonly Finding[]> {
  const { config, timing } = deps;
  const signal = AbortSignal.timeout(LOOK_MS);
  const identity = await readIdentity(config.home);
  const host = parseOllamaHost(config.engineUrl);
  await using bystander = await standBy(deps);
  const [description, models, look, answer, home, exposure] = await Promise.all([
    bystander.engine.describe(signal),
    bystander.engine.models(signal),
    bystander.reporter.look(signal),
    identity === null ? null : askServer(identity.serverUrl, signal),
    checkHome(config.home),
    checkExposure(Number(host.port || "80"), outsideAddresses(), signal),
  ]);
  const sizes = look.report.models.filter(({ cloud }) => !cloud).map(({ residentBytes }) => residentBytes);
  const memory = checkMemory({
    totalBytes: look.machine.memoryBytes,
    freeBytes: look.memory.freeBytes ?? look.machine.memoryBytes,
    forModelsBytes: look.report.modelMemoryBytes,
    smallestModelBytes: sizes.length === 0 ? null : Math.min(...sizes),
  });
  return [
    checkNode(process.version),
    home,
    ...checkEngine(description, models),
    checkSlots(config.engineSlots, config.settings.slots),
    exposure,
    memory,
    ...checkServer(identity, config.plaintextAllowed, answer, timing.now()),
  ];
}

/** This machine's addresses on its networks. */
function outsideAddresses(): string[] {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  // A link-local address of version 6 means nothing without its interface.
  return all.filter(({ internal, scopeid }) => !internal && !scopeid).map(({ address }) => address);
}

async function askServer(serverUrl: string, signal: AbortSignal): Promise<ServerAnswer> {
  const url = addressOn(serverUrl, "/healthz");
  const beganMs = performance.now();
  try {
    const { status, headers } = await getContent(url, signal);
    const dateMs = Date.parse(headers.date ?? "");
    return {
      kind: "answered",
      status,
      dateMs: Number.isNaN(dateMs) ? null : dateMs,
      tookMs: performance.now() - beganMs,
    };
  } catch (error) {
    return { kind: "silent", why: error instanceof Error ? error.message : String(error) };
  }
}
