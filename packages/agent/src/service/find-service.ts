import { OperationalError } from "@coop/core";
import { launchdService } from "./launchd.ts";
import { systemdService } from "./systemd.ts";
import type { FoundService, ServiceCommand, ServiceHost } from "./service.ts";

/**
 * What keeps programs running on this machine: launchd on macOS; systemd on Linux, for the whole machine when root
 * asks and else for the user.
 */
export async function findService(host: ServiceHost, command: ServiceCommand): Promise<FoundService> {
  switch (host.platform) {
    case "darwin":
      return await onMac(host, command);
    case "linux":
      return await onLinux(host, command);
    default:
      return none(
        `A service cannot be installed on ${host.platform}: only macOS and Linux are supported.`,
        command,
      );
  }
}

async function onMac(host: ServiceHost, command: ServiceCommand): Promise<FoundService> {
  try {
    // Known only while the user is logged in at the screen: not to a shell over ssh before.
    await host.run("launchctl", ["print", `gui/${host.userId}`]);
  } catch (error) {
    if (!(error instanceof OperationalError)) throw error;
    return none(
      `launchd has no session of ${host.userName} here, who has to be logged in at the screen: ${error.message}`,
      command,
    );
  }
  return { kind: "found", service: launchdService(host) };
}

async function onLinux(host: ServiceHost, command: ServiceCommand): Promise<FoundService> {
  const scope = host.userId === 0 ? "system" : "user";
  try {
    // Answers only where systemd runs the machine, and for a user only where that user has a session of its own.
    await host.run("systemctl", [...(scope === "user" ? ["--user"] : []), "show", "--property=Version"]);
  } catch (error) {
    if (!(error instanceof OperationalError)) throw error;
    return none(`systemd does not answer here: ${error.message}`, command);
  }
  return { kind: "found", service: systemdService(host, scope) };
}

const none = (why: string, command: ServiceCommand): FoundService => ({
  kind: "none",
  why,
  byHand: `Run the agent by hand, or from whatever starts programs on this machine:\n\n  ${shellLine(command)}\n`,
});

/** What a person types to run the same. */
export function shellLine({ command, environment }: ServiceCommand): string {
  const settings = Object.entries(environment).map(([name, value]) => `${name}=${shellWord(value)}`);
  return [...settings, ...command.map(shellWord)].join(" ");
}

const shellWord = (word: string): string =>
  /^[\w./:=@%+-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
