import { join } from "node:path";
import { readUnitFile, removeUnitFile, writeUnitFile } from "./unit-file.ts";
import type { Service, ServiceCommand, ServiceHost } from "./service.ts";

const UNIT = "coop-agent.service";

/** `system`: started with the machine, by root. `user`: with its user, and beyond where lingering is on. */
export type SystemdScope = "system" | "user";

/** The agent as a systemd unit. The agent finishes what runs when it is asked to stop, hence the long patience. */
export function systemdUnit({ command, environment }: ServiceCommand, scope: SystemdScope): string {
  const settings = Object.entries(environment).map(
    ([name, value]) => `Environment=${quoted(`${name}=${value}`)}`,
  );
  return `# Written by \`agent install\`; \`agent uninstall\` removes it.
[Unit]
Description=Co-op cluster: agent
Wants=network-online.target
After=network-online.target

[Service]
ExecStart=${command.map((word) => quoted(word).replaceAll("$", "$$$$")).join(" ")}
${settings.join("\n")}
Restart=always
RestartSec=5
TimeoutStopSec=120
NoNewPrivileges=yes

[Install]
WantedBy=${scope === "system" ? "multi-user.target" : "default.target"}
`;
}

/** As systemd reads words: in quotes, with its own signs doubled. `$` is one in commands, but not in settings. */
const quoted = (word: string): string =>
  `"${word.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("%", "%%")}"`;

/** The agent under systemd. */
export function systemdService(host: ServiceHost, scope: SystemdScope): Service {
  const path =
    scope === "system"
      ? join("/etc/systemd/system", UNIT)
      : join(host.environment["XDG_CONFIG_HOME"] ?? join(host.userHome, ".config"), "systemd", "user", UNIT);
  const systemctl = (...args: string[]): Promise<string> =>
    host.run("systemctl", [...(scope === "user" ? ["--user"] : []), ...args]);
  const logs = scope === "user" ? `journalctl --user -u ${UNIT} -f` : `journalctl -u ${UNIT} -f`;
  return {
    kind: scope === "user" ? "systemd, for this user" : "systemd, for this machine",
    path,
    hints:
      scope === "user"
        ? [
            `Its log: ${logs}`,
            `To have it run while you are logged out, too: loginctl enable-linger ${host.userName}`,
          ]
        : [`Its log: ${logs}`],
    isInstalled: async () => (await readUnitFile(path)) !== null,
    async install(command) {
      const known = await readUnitFile(path);
      await writeUnitFile(path, systemdUnit(command, scope));
      await systemctl("daemon-reload");
      await systemctl("enable", UNIT);
      await systemctl("restart", UNIT);
      return known === null ? "installed" : "updated";
    },
    async restart() {
      await systemctl("restart", UNIT);
    },
    async uninstall() {
      if ((await readUnitFile(path)) === null) return "not-installed";
      await systemctl("disable", "--now", UNIT);
      await removeUnitFile(path);
      await systemctl("daemon-reload");
      return "uninstalled";
    },
  };
}
