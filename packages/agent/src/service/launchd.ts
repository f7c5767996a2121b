import { join } from "node:path";
import { OperationalError } from "@coop/core";
import { readUnitFile, removeUnitFile, writeUnitFile } from "./unit-file.ts";
import type { Service, ServiceCommand, ServiceHost } from "./service.ts";

const LABEL = "org.coop-cluster.agent";

/** The agent as a property list of launchd: at login, and again whenever it ends. */
export function launchdList({ command, environment }: ServiceCommand, logPath: string): string {
  const strings = command.map((word) => `    <string>${escaped(word)}</string>`).join("\n");
  const settings = Object.entries(environment)
    .map(([name, value]) => `    <key>${escaped(name)}</key>\n    <string>${escaped(value)}</string>`)
    .join("\n");
  return `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<!-- Written by \`agent install\`; \`agent uninstall\` removes it. -->
<plist version="1.0">
<dict>
  <key>Label</key>
  <string>${LABEL}</string>
  <key>ProgramArguments</key>
  <array>
${strings}
  </array>
  <key>EnvironmentVariables</key>
  <dict>
${settings}
  </dict>
  <key>RunAtLoad</key>
  <true/>
  <key>KeepAlive</key>
  <true/>
  <key>ThrottleInterval</key>
  <integer>5</integer>
  <key>ExitTimeOut</key>
  <integer>120</integer>
  <key>ProcessType</key>
  <string>Standard</string>
  <key>StandardOutPath</key>
  <string>${escaped(logPath)}</string>
  <key>StandardErrorPath</key>
  <string>${escaped(logPath)}</string>
</dict>
</plist>
`;
}

const escaped = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

/** The agent under launchd, for the user that is logged in. */
export function launchdService(host: ServiceHost): Service {
  const path = join(host.userHome, "Library", "LaunchAgents", `${LABEL}.plist`);
  const logPath = join(host.userHome, "Library", "Logs", "coop-agent.log");
  const domain = `gui/${host.userId}`;
  /** Unloads the agent where it is loaded: its file may lie there without. */
  const bootout = async (): Promise<void> => {
    try {
      await host.run("launchctl", ["print", `${domain}/${LABEL}`]);
    } catch (error) {
      if (error instanceof OperationalError && error.code === "tool-failed") return;
      throw error;
    }
    await host.run("launchctl", ["bootout", `${domain}/${LABEL}`]);
  };
  const bootstrap = (): Promise<string> => host.run("launchctl", ["bootstrap", domain, path]);
  return {
    kind: "launchd, for this user",
    path,
    hints: [
      `Its log: tail -f ${logPath}`,
      "A Mac that sleeps serves nobody: System Settings, Energy, prevent automatic sleeping.",
    ],
    isInstalled: async () => (await readUnitFile(path)) !== null,
    async install(command) {
      const known = await readUnitFile(path);
      if (known !== null) await bootout();
      await writeUnitFile(path, launchdList(command, logPath));
      await bootstrap();
      return known === null ? "installed" : "updated";
    },
    async restart() {
      await bootout();
      await bootstrap();
    },
    async uninstall() {
      if ((await readUnitFile(path)) === null) return "not-installed";
      await bootout();
      await removeUnitFile(path);
      return "uninstalled";
    },
  };
}
