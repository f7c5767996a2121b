import { access, constants, mkdir, mkdtemp, readFile, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { createdJoinTokenSchema } from "@coop/protocol";
import { afterEach, beforeEach, expect, test } from "vitest";
import { z } from "zod";
import { bundleAgent } from "../../deploy/build/bundle.ts";
import { startChild } from "../harness/child.ts";
import type { Child } from "../harness/child.ts";
import { startCluster } from "../harness/cluster.ts";
import type { Cluster } from "../harness/cluster.ts";

let folder: string;
let coop: Cluster;
let children: Child[];
beforeEach(async () => {
  children = [];
  folder = await mkdtemp(join(tmpdir(), "coop-join-"));
  await bundleAgent(folder);
  coop = await startCluster("usual", "warn", { COOP_AGENT_PACKAGE: join(folder, "coop-agent.tgz") });
});
afterEach(async () => {
  for (const child of children.toReversed()) await child.stop();
  await coop.stop();
  await rm(folder, { recursive: true, force: true });
});

/** The script of a command on the path, which Node can run. */
async function scriptOf(command: string): Promise<string> {
  for (const place of (process.env["PATH"] ?? "").split(delimiter)) {
    const path = join(place, command);
    const isThere = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (isThere) return realpath(path);
  }
  throw new Error(`${command} is not on the path`);
}

const statusSchema = z.object({ pid: z.number() });

/** In an empty home, with nothing but Node and what comes with it. */
function runOneLine(npx: string, line: string, home: string, engine: string): Child {
  const [program, ...args] = line.split(" ");
  expect(program).toBe("npx");
  const child = startChild(npx, [...args, "--name", "attic", "--engine", engine], { HOME: home });
  children.push(child);
  return child;
}

test("a machine with Node alone joins with one line and serves its first job within a minute", async () => {
  const machines = await coop.startMachines(["raspberry-pi-5-8"], 100);
  const maja = await coop.addMember("maja");
  const made = await coop.request("/admin/join-tokens", {
    method: "POST",
    body: JSON.stringify({ member: maja.id }),
  });
  const { command } = createdJoinTokenSchema.parse(await made.json());
  expect(command).toMatch(/^npx -y http:\/\/127\.0\.0\.1:\d+\/install\/agent\.tgz start --join coopjoin_/);
  const home = join(folder, "home");
  await mkdir(home);

  const beganMs = performance.now();
  const agent = runOneLine(await scriptOf("npx"), command, home, machines.get("raspberry-pi-5-8") ?? "");
  await agent.line(/joined as attic/);
  await agent.line(/agent attic connected to/);
  await expect
    .poll(async () => (await coop.nodes()).filter(({ connected }) => connected).map(({ name }) => name), {
      timeout: 20_000,
    })
    .toEqual(["attic"]);
  const answer = await coop.request("/v1/chat/completions", {
    method: "POST",
    key: maja.key,
    body: JSON.stringify({
      model: "coop/edge",
      max_tokens: 8,
      messages: [{ role: "user", content: "Hello" }],
    }),
  });
  expect(answer.status).toBe(200);
  expect(performance.now() - beganMs).toBeLessThan(60_000);

  const [node] = await coop.nodes();
  const { version } = z
    .object({ version: z.string() })
    .parse(JSON.parse(await readFile(join(folder, "coop-agent.json"), "utf8")));
  expect(node?.machine.agentVersion).toBe(version);
  const status = join(home, ".local/share/coop-agent/status.json");
  const { pid } = statusSchema.parse(JSON.parse(await readFile(status, "utf8")));
  process.kill(pid, "SIGTERM");
  await agent.ended;
});
