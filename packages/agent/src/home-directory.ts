import { homedir } from "node:os";
import { join } from "node:path";

type Environment = Readonly<Record<string, string | undefined>>;

/** Where the agent keeps its key, settings and status: `COOP_AGENT_HOME`, else the platform's data directory. */
export function agentHome(env: Environment, platform: NodeJS.Platform): string {
  if (env["COOP_AGENT_HOME"]) return env["COOP_AGENT_HOME"];
  const home = homedir();
  switch (platform) {
    case "darwin":
      return join(home, "Library", "Application Support", "coop-agent");
    case "win32":
      return join(env["LOCALAPPDATA"] ?? join(home, "AppData", "Local"), "coop-agent");
    default:
      return join(env["XDG_DATA_HOME"] ?? join(home, ".local", "share"), "coop-agent");
  }
}
