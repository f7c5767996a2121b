import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { OperationalError } from "@coop/core";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { findService } from "./find-service.ts";
import { launchdList } from "./launchd.ts";
import { programFolder, replaceProgram, settledProgram } from "./own-program.ts";
import type { ServiceCommand, ServiceHost } from "./service.ts";
import { systemdUnit } from "./systemd.ts";

let home: string;
let ran: string[];

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "coop-service-"));
  ran = [];
});
afterEach(() => rm(home, { recursive: true, force: true }));

const command: ServiceCommand = {
  command: ["/opt/node 26/bin/node", "/home/maja/it's 100% $HERE/main.js", "start"],
  environment: { COOP_AGENT_HOME: "/home/maja/.local/share/coop agent", OLLAMA_HOST: "127.0.0.1:11500" },
};

/** A machine whose tools do nothing but remember what they were asked. */
const machine = (changes: Partial<ServiceHost> = {}): ServiceHost => ({
  platform: "linux",
  userId: 1000,
  userName: "maja",
  userHome: home,
  environment: {},
  run: (program, args) => {
    ran.push([program, ...args].join(" "));
    return Promise.resolve("");
  },
  ...changes,
});

async function found(host: ServiceHost) {
  const outcome = await findService(host, command);
  if (outcome.kind === "none") throw new Error(outcome.why);
  return outcome.service;
}

describe("systemd", () => {
  test("a user's service is written, started with the user, and removed", async () => {
    const service = await found(machine());
    expect(await service.isInstalled()).toBe(false);
    expect(await service.uninstall()).toBe("not-installed");
    expect(await service.install(command)).toBe("installed");
    expect(service.path).toBe(join(home, ".config/systemd/user/coop-agent.service"));
    expect(await readFile(service.path, "utf8")).toBe(systemdUnit(command, "user"));
    expect(await service.install({ ...command, environment: {} })).toBe("updated");
    expect(await readFile(service.path, "utf8")).not.toContain("OLLAMA_HOST");
    expect(await service.uninstall()).toBe("uninstalled");
    expect(await service.isInstalled()).toBe(false);
    expect(ran).toEqual([
      "systemctl --user show --property=Version",
      ...Array.from({ length: 2 }).flatMap(() => [
        "systemctl --user daemon-reload",
        "systemctl --user enable coop-agent.service",
        "systemctl --user restart coop-agent.service",
      ]),
      "systemctl --user disable --now coop-agent.service",
      "systemctl --user daemon-reload",
    ]);
    expect(service.hints.join("\n")).toContain("loginctl enable-linger maja");
  });

  test("root installs it for the whole machine", async () => {
    const service = await found(machine({ userId: 0 }));
    expect(service.path).toBe("/etc/systemd/system/coop-agent.service");
    expect(systemdUnit(command, "system")).toContain("WantedBy=multi-user.target");
  });

  test("what systemd would expand is doubled: percent everywhere, a dollar in commands only", () => {
    const unit = systemdUnit({ command: ["/a", "$b 5%"], environment: { HERE: "$c 5%" } }, "user");
    expect(unit).toContain('ExecStart="/a" "$$b 5%%"');
    expect(unit).toContain('Environment="HERE=$c 5%%"');
  });

  test("systemd itself finds nothing wrong with the unit, whatever is in its paths", async (context) => {
    const main = join(home, "it's 100% $HERE", "main.js");
    await mkdir(join(main, ".."));
    await writeFile(main, "");
    const path = join(home, "coop-agent.service");
    await writeFile(path, systemdUnit({ ...command, command: [process.execPath, main, "start"] }, "system"));
    try {
      execFileSync("systemd-analyze", ["verify", path], { stdio: "pipe" });
    } catch (error) {
      if (error instanceof Error && "code" in error && error.code === "ENOENT") {
        return context.skip("there is no systemd-analyze on this machine");
      }
      throw error;
    }
  });
});

describe("launchd", () => {
  test("an agent of the user is written, loaded anew when it changes, and removed", async () => {
    const service = await found(machine({ platform: "darwin", userId: 501 }));
    expect(await service.install(command)).toBe("installed");
    expect(service.path).toBe(join(home, "Library/LaunchAgents/org.coop-cluster.agent.plist"));
    expect(await readFile(service.path, "utf8")).toContain("<string>/opt/node 26/bin/node</string>");
    expect(await service.install(command)).toBe("updated");
    expect(await service.uninstall()).toBe("uninstalled");
    expect(ran.filter((line) => !line.startsWith("launchctl print "))).toEqual([
      `launchctl bootstrap gui/501 ${service.path}`,
      "launchctl bootout gui/501/org.coop-cluster.agent",
      `launchctl bootstrap gui/501 ${service.path}`,
      "launchctl bootout gui/501/org.coop-cluster.agent",
    ]);
  });

  test("one whose file is there but that is not loaded is installed and removed all the same", async () => {
    const refuses = ["launchctl print gui/501/org.coop-cluster.agent", "launchctl bootout"];
    const run = (program: string, args: readonly string[]): Promise<string> => {
      const line = [program, ...args].join(" ");
      if (refuses.some((start) => line.startsWith(start)))
        return Promise.reject(new OperationalError("tool-failed", `\`${line}\` failed: no such process`));
      ran.push(line);
      return Promise.resolve("");
    };
    const service = await found(machine({ platform: "darwin", userId: 501, run }));
    expect(await service.install(command)).toBe("installed");
    expect(await service.install(command)).toBe("updated");
    expect(ran).toContain(`launchctl bootstrap gui/501 ${service.path}`);
    expect(await service.uninstall()).toBe("uninstalled");
    expect(await service.isInstalled()).toBe(false);
  });

  test("without a session at the screen it says how to run the agent by hand", async () => {
    const run = (): Promise<string> =>
      Promise.reject(new OperationalError("tool-failed", "Domain does not support specified action"));
    const outcome = await findService(machine({ platform: "darwin", userId: 501, run }), command);
    expect(outcome).toMatchObject({
      kind: "none",
      why: expect.stringContaining("logged in at the screen"),
      byHand: expect.stringContaining("main.js"),
    });
  });

  test("signs that XML takes for its own are written so that it does not", () => {
    const list = launchdList({ command: ["/a&b/<node>"], environment: { X: "1 < 2" } }, "/tmp/l&g");
    expect(list).toContain("<string>/a&amp;b/&lt;node&gt;</string>");
    expect(list).toContain("<string>1 &lt; 2</string>");
    expect(list).toContain("<string>/tmp/l&amp;g</string>");
  });
});

describe("a machine without either", () => {
  test("says how to run the agent by hand, in words that a shell takes", async () => {
    const missing = machine({
      run: () =>
        Promise.reject(new OperationalError("tool-missing", "There is no systemctl on this machine.")),
    });
    const outcome = await findService(missing, command);
    if (outcome.kind === "found") throw new Error("no service can be there");
    expect(outcome.why).toContain("There is no systemctl");
    const line = outcome.byHand.split("\n").find((text) => text.startsWith("  "));
    const words = execFileSync("sh", ["-c", `for word in ${line ?? ""}; do echo "$word"; done`], {
      encoding: "utf8",
    });
    expect(words.split("\n")).toContain("/home/maja/it's 100% $HERE/main.js");
  });

  test("names a platform that is not supported", async () => {
    const outcome = await findService(machine({ platform: "win32" }), command);
    expect(outcome).toMatchObject({ kind: "none", why: expect.stringContaining("win32") });
  });
});

describe("the program that a service runs", () => {
  const bundle = async (text: string): Promise<string> => {
    const folder = await mkdtemp(join(home, "cache-"));
    await writeFile(join(folder, "main.js"), text);
    return folder;
  };

  test("a fetched agent is copied to the agent's home, where the cache it came from no longer matters", async () => {
    const folder = await bundle("one");
    const link = join(home, "agent");
    await symlink(join(folder, "main.js"), link);
    const agentHome = join(home, "agent-home");
    const script = await settledProgram(link, agentHome);
    expect(script).toBe(join(programFolder(agentHome), "main.js"));
    await rm(folder, { recursive: true });
    expect(await readFile(script, "utf8")).toBe("one");
    expect(await settledProgram(script, agentHome)).toBe(script);
  });

  test("another one takes its place, and one that runs from its sources stays where it is", async () => {
    const agentHome = join(home, "agent-home");
    await replaceProgram(await bundle("one"), agentHome);
    await replaceProgram(await bundle("two"), agentHome);
    expect(await readFile(join(programFolder(agentHome), "main.js"), "utf8")).toBe("two");
    const source = join(home, "main.ts");
    await writeFile(source, "");
    expect(await settledProgram(source, agentHome)).toBe(source);
  });
});
