/**
 * What the Dockerfile builds and runs, as far as a machine without containers can: its build's outcome in a folder
 * outside the repository, with the environment, command and health check that the Dockerfile says.
 */
import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { createdJoinTokenSchema } from "@coop/protocol";
import { expect, it } from "vitest";
import { bundlePrograms } from "../../deploy/build/bundle.ts";
import { startChild } from "../harness/child.ts";
import { startTestRedis } from "../harness/redis.ts";
import { startScriptedOllama } from "../harness/scripted-ollama.ts";

const run = promisify(execFile);
const root = resolve(import.meta.dirname, "../..");
const READY = /coop server ready at (\S+)/;

/** The last stage of the Dockerfile, with a folder in place of the image's own places. */
async function imageIn(folder: string) {
  const text = await readFile(join(root, "deploy/Dockerfile"), "utf8");
  const stage = text.slice(text.lastIndexOf("\nFROM ")).replaceAll(/\\\n\s*/g, "");
  const here = (path: string): string =>
    path.replaceAll("/opt/coop", join(folder, "opt/coop")).replaceAll("/var/lib/coop", join(folder, "home"));
  const rest = (instruction: string): string => {
    const found = new RegExp(`^(?:HEALTHCHECK .*)?${instruction} (.*)$`, "m").exec(stage)?.[1];
    if (found === undefined) throw new Error(`the Dockerfile has no ${instruction}`);
    return here(found);
  };
  const commands = [...stage.matchAll(/\bCMD (\[.*\])$/gm)].map(([, list = ""]): unknown =>
    JSON.parse(here(list)),
  );
  const variables = rest("ENV")
    .split(" ")
    .map((pair) => pair.split("="));
  return {
    copied: rest("COPY --from=build /src/dist"),
    environment: Object.fromEntries(variables.map(([name = "", value = ""]) => [name, value])),
    healthCheck: wordsOf(commands[0]),
    command: wordsOf(commands[1]),
  };
}

function wordsOf(list: unknown): readonly string[] {
  if (!Array.isArray(list) || list[0] !== "node") throw new Error(`not a command of Node: ${String(list)}`);
  return list.map(String).slice(1);
}

it("serves members, its page and the agent, away from the repository", async () => {
  await using parts = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), "coop-image-"));
  parts.defer(() => rm(folder, { recursive: true, force: true }));
  const redis = parts.use(await startTestRedis());
  const ollama = parts.use(await startScriptedOllama());
  const image = await imageIn(folder);
  await bundlePrograms(join(folder, "dist"));
  await cp(join(folder, "dist"), image.copied, { recursive: true });

  const [main = "", ...args] = image.command;
  const server = startChild(main, args, {
    ...image.environment,
    COOP_LISTEN: "127.0.0.1:0",
    REDIS_URL: `unix://${redis.socketPath}`,
  });
  parts.defer(async () => void (await server.stop()));
  const [, url = ""] = await server.line(READY);
  const healthCheck = image.healthCheck.map((word) => word.replace("http://127.0.0.1:7070", url));
  expect(healthCheck.join(" ")).toContain(`${url}/readyz`);
  await run(process.execPath, healthCheck);
  await expect(
    run(
      process.execPath,
      image.healthCheck.map((word) => word.replace(":7070", ":1")),
    ),
  ).rejects.toThrow(/Command failed/);

  const key = (await readFile(join(image.environment["COOP_HOME"] ?? "", "operator.key"), "utf8")).trim();
  const ask = (path: string, init: RequestInit = {}): Promise<Response> =>
    fetch(url + path, { ...init, headers: { authorization: `Bearer ${key}` } });
  for (const base of ["/", "/admin/queues"]) {
    const text = await (await ask(base)).text();
    const files = [...text.matchAll(/(?:href|src)="(\/page\/[^"#]+|static\/[^"]+)"/g)].map(
      ([, file = ""]) => file,
    );
    expect(files.length, base).toBeGreaterThan(3);
    for (const file of files) {
      const path = file.startsWith("/") ? file : `${base}/${file}`;
      expect([path, (await ask(path)).status]).toEqual([path, 200]);
    }
  }
  expect(await (await ask("/admin/queues/api/queues")).text()).toContain('"jobs"');
  const coop = await run(process.execPath, [join(image.copied, "coop/main.js"), "members", "list"], {
    env: { ...image.environment, COOP_URL: url },
  });
  expect(coop.stdout).toContain("operator");

  const tarball = await ask("/install/agent.tgz");
  await mkdir(join(folder, "agent"));
  const path = join(folder, "agent.tgz");
  await writeFile(path, new Uint8Array(await tarball.arrayBuffer()));
  await run("tar", ["-xzf", path, "-C", join(folder, "agent"), "--strip-components=1"]);
  const made = await ask("/admin/join-tokens", { method: "POST", body: "{}" });
  const { token } = createdJoinTokenSchema.parse(await made.json());
  const start = ["start", "--join", token, "--engine", ollama.url.href];
  const agent = startChild(join(folder, "agent/main.js"), start, {
    COOP_AGENT_HOME: join(folder, "agent-home"),
  });
  parts.defer(async () => void (await agent.stop()));
  await agent.line(/connected to/);
  const body = JSON.stringify({ model: "llama3.2:3b", messages: [{ role: "user", content: "Hello?" }] });
  await expect
    .poll(async () => (await ask("/v1/chat/completions", { method: "POST", body })).text(), {
      timeout: 20_000,
    })
    .toContain("Hello there");
});
