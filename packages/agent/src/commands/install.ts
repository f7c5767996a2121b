import { OperationalError } from "@coop/core";
import { findService } from "../service/find-service.ts";
import { settledProgram } from "../service/own-program.ts";
import type { Service, ServiceCommand, ServiceHost } from "../service/service.ts";
import { settleIdentity } from "../settle-identity.ts";
import { runningAgent } from "./one-look.ts";
import type { CommandDeps } from "./one-look.ts";

export interface ServiceOptions extends CommandDeps {
  readonly host: ServiceHost;
  /** The script that runs now. */
  readonly main: string;
  readonly signal: AbortSignal;
}

/**
 * Joins if asked to, and has the machine keep the agent running from now on. Again: with what it is now.
 * @throws OperationalError why the join was refused; `no-service` with how to run the agent by hand;
 *   `already-running` while an agent that nobody installed runs
 */
export async function install(
  options: ServiceOptions & { readonly joinToken: string | null },
): Promise<void> {
  const { config, joinToken, say, signal } = options;
  const identity = await settleIdentity({ config, joinToken, say, signal });
  const command = serviceCommand(options, await settledProgram(options.main, config.home));
  const service = await serviceFor(options, command);
  if (!(await service.isInstalled())) await assertNoneByHand(options);
  const outcome = await service.install(command);
  say(`agent ${identity.name} ${outcome} as a service (${service.kind}); it starts with the machine`);
  say(`  ${service.path}`);
  for (const hint of service.hints) say(`  ${hint}`);
  say("  How it is: agent status. To remove it: agent uninstall");
}

/**
 * Has the machine keep the agent running no longer. What the agent keeps, its identity among it, stays.
 * @throws OperationalError `no-service` where none can be installed
 */
export async function uninstall(options: ServiceOptions): Promise<void> {
  const found = await findService(options.host, serviceCommand(options, options.main));
  if (found.kind === "none")
    throw new OperationalError(
      "no-service",
      `${found.why}\nSo no service of the agent runs here, and none was removed.`,
    );
  const outcome = await found.service.uninstall();
  options.say(
    outcome === "uninstalled"
      ? `The agent no longer runs as a service. Its settings and its place in the co-op are kept in ${options.config.home}.`
      : "No service of the agent is installed here.",
  );
}

/** What keeps programs running here. @throws OperationalError `no-service` with the command to run by hand */
async function serviceFor({ host }: ServiceOptions, command: ServiceCommand): Promise<Service> {
  const found = await findService(host, command);
  if (found.kind === "none") throw new OperationalError("no-service", `${found.why}\n${found.byHand}`);
  return found.service;
}

/** The command with what of this shell's environment the agent reads: a service begins without any. */
export function serviceCommand({ config, host }: ServiceOptions, script: string): ServiceCommand {
  const kept = Object.entries(host.environment).flatMap(([name, value]) =>
    isRead(name) && value !== undefined && value !== "" ? [[name, value] as const] : [],
  );
  return {
    command: [process.execPath, script, "start"],
    environment: { COOP_AGENT_HOME: config.home, ...Object.fromEntries(kept) },
  };
}

const isRead = (name: string): boolean =>
  name === "OLLAMA_HOST" ||
  name === "OLLAMA_NUM_PARALLEL" ||
  (name.startsWith("COOP_AGENT_") && name !== "COOP_AGENT_HOME");

async function assertNoneByHand(options: ServiceOptions): Promise<void> {
  const running = await runningAgent(options);
  if (running === null) return;
  throw new OperationalError(
    "already-running",
    `An agent runs here already: ${running.name}, process ${running.pid}. Stop it (Ctrl-C where it was started, or kill ${running.pid}), then install.`,
  );
}
