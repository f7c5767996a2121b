/** What `deploy/` hands out: samples that are what the programs write themselves, and settings that they read. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { z } from "zod";
import { launchdList } from "../packages/agent/src/service/launchd.ts";
import { systemdUnit } from "../packages/agent/src/service/systemd.ts";
import { ENVIRONMENT_NAMES } from "../packages/server/src/config.ts";
import { settingsTemplate } from "../packages/server/src/settings/template.ts";

const deploy = resolve(import.meta.dirname, "../deploy");
const textOf = (path: string): string => readFileSync(join(deploy, path), "utf8");

/** An agent as `agent install` sets it up in a home. */
const agentIn = (home: string, node: string) => ({
  command: [node, `${home}/program/main.js`, "start"] as const,
  environment: { COOP_AGENT_HOME: home },
});

test("the samples are what the programs write", async () => {
  const update = "they are written anew by: npm test -- test/deploy.test.ts -u";
  const onLinux = agentIn("/home/maja/.local/share/coop-agent", "/usr/bin/node");
  await expect(systemdUnit(onLinux, "user"), update).toMatchFileSnapshot(
    join(deploy, "systemd/coop-agent.service"),
  );
  const onMac = agentIn("/Users/maja/Library/Application Support/coop-agent", "/opt/homebrew/bin/node");
  await expect(launchdList(onMac, "/Users/maja/Library/Logs/coop-agent.log"), update).toMatchFileSnapshot(
    join(deploy, "launchd/org.coop-cluster.agent.plist"),
  );
  await expect(settingsTemplate("Europe/Stockholm"), update).toMatchFileSnapshot(join(deploy, "coop.yaml"));
});

test("systemd finds nothing wrong with the units", (context) => {
  const folder = mkdtempSync(join(tmpdir(), "coop-units-"));
  try {
    for (const name of readdirSync(join(deploy, "systemd"))) {
      const path = join(folder, name);
      // systemd looks whether the program is there, which it is where the sample is from.
      writeFileSync(path, textOf(join("systemd", name)).replaceAll("/usr/bin/node", process.execPath));
      const { error, status, stderr } = spawnSync("systemd-analyze", ["verify", path], { encoding: "utf8" });
      if (error !== undefined) return context.skip(`systemd-analyze does not run here: ${error.message}`);
      expect([status, stderr.split("\n").filter((line) => line.includes(name))], stderr).toEqual([0, []]);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});

const serviceSchema = z.object({
  image: z
    .string()
    .regex(/:[^:]+$/)
    .optional(),
  build: z.object({ context: z.string(), dockerfile: z.string() }).optional(),
  user: z.string().optional(),
  ports: z.array(z.string()).default([]),
  volumes: z.array(z.string()).default([]),
  environment: z.record(z.string(), z.string()).default({}),
  secrets: z.array(z.string()).default([]),
  read_only: z.boolean().default(false),
  cap_drop: z.array(z.string()).default([]),
});
const composeSchema = z.object({
  services: z.record(z.string(), serviceSchema),
  volumes: z.record(z.string(), z.null()),
  secrets: z.record(z.string(), z.object({ environment: z.string() })),
});
const compose = composeSchema.parse(parse(textOf("compose.yaml")));
const services = Object.entries(compose.services);

test("compose opens no port but Caddy's, and Grafana's on this machine alone", () => {
  expect(Object.keys(compose.services).toSorted()).toEqual([
    "caddy",
    "grafana",
    "prometheus",
    "redis",
    "server",
  ]);
  const published = services.flatMap(([name, { ports }]) => ports.map((port) => `${name} ${port}`));
  expect(published).toEqual(["caddy 80:80", "caddy 443:443", "grafana 127.0.0.1:3000:3000"]);
});

test("compose mounts files and volumes that are there, and asks for settings that the example names", () => {
  for (const [name, { volumes, build, secrets }] of services) {
    for (const volume of volumes) {
      const [source = ""] = volume.split(":");
      const isThere = source.startsWith(".") ? existsSync(join(deploy, source)) : source in compose.volumes;
      expect(isThere, `${name}: ${volume}`).toBe(true);
    }
    if (build !== undefined)
      expect(existsSync(join(deploy, build.context, build.dockerfile)), name).toBe(true);
    for (const secret of secrets) expect(Object.keys(compose.secrets)).toContain(secret);
  }
  const example = [...textOf("example.env").matchAll(/^(\w+)=/gm)].map(([, name = ""]) => name);
  const asked = [...textOf("compose.yaml").matchAll(/\$\{(\w+)/g)].map(([, name = ""]) => name);
  const ofSecrets = Object.values(compose.secrets).map(({ environment }) => environment);
  expect(example.toSorted()).toEqual([...new Set([...asked, ...ofSecrets])].toSorted());
});

test("every container but Caddy's has a user without power, and what can be is read-only", () => {
  expect(textOf("Dockerfile")).toMatch(/^USER node$/m);
  for (const [name, { user, read_only, secrets, cap_drop }] of services) {
    expect(name === "caddy" || name === "server" || /^[a-z]+$/.test(user ?? ""), name).toBe(true);
    expect(user).not.toBe("root");
    expect(read_only, name).toBe(secrets.length === 0);
    expect(cap_drop, name).toEqual(["ALL"]);
  }
});

test("every setting of the server that is handed out is one that it reads", () => {
  const places: Readonly<Record<string, readonly string[]>> = {
    "compose.yaml": Object.keys(compose.services["server"]?.environment ?? {}),
    Dockerfile: [...textOf("Dockerfile").matchAll(/\b(COOP_\w+)=/g)].map(([, name = ""]) => name),
    "coop-server.service": [
      ...textOf("systemd/coop-server.service").matchAll(/\b(COOP_\w+|REDIS_URL)\b/g),
    ].map(([, name = ""]) => name),
  };
  for (const [place, names] of Object.entries(places)) {
    expect(names.length, place).toBeGreaterThan(2);
    expect(
      names.filter((name) => !ENVIRONMENT_NAMES.includes(name)),
      place,
    ).toEqual([]);
  }
});

test("what the instructions name is there", () => {
  const text = textOf("README.md");
  const files = [...text.matchAll(/\bdeploy\/[\w./-]+\w/g)].map(([path]) => path.slice("deploy/".length));
  const listed = [...text.matchAll(/^\| (`.*?) +\|/gm)].flatMap(([, cell = ""]) =>
    [...cell.matchAll(/`([^`*]+)`/g)].map(([, path = ""]) => path),
  );
  const [copy] = files.filter((path) => path === ".env");
  expect(copy, "the copy of example.env").toBeDefined();
  for (const path of [...files, ...listed].filter((name) => name !== ".env"))
    expect(existsSync(join(deploy, path)), path).toBe(true);
  const named = [...text.matchAll(/\b(COOP_[A-Z_]+|REDIS_URL)\b/g)].map(([, name = ""]) => name);
  expect(named.filter((name) => !ENVIRONMENT_NAMES.includes(name))).toEqual([]);
});
