import { createHash, createPrivateKey, generateKeyPairSync, sign } from "node:crypto";
import type { KeyObject } from "node:crypto";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { asMemberId, asNodeId, OperationalError } from "@coop/core";
import { AGENT_PACKAGE_INFO_PATH, AGENT_PACKAGE_PATH, packageText } from "@coop/protocol";
import { afterEach, beforeEach, expect, test } from "vitest";
import { readConfig } from "../config.ts";
import { createNodeKey, writeIdentity } from "../identity.ts";
import { createPlainLog } from "../plain-log.ts";
import { programFolder } from "../service/own-program.ts";
import { runTool } from "../service/run-tool.ts";
import type { ServiceHost } from "../service/service.ts";
import { systemdService } from "../service/systemd.ts";
import { createSystemTiming } from "../timing.ts";
import { AGENT_VERSION } from "../version.ts";
import { update } from "./update.ts";

let folder: string;
let home: string;
let server: Server;
let said: string[];
/** What the server answers, by path. */
let answers: Map<string, Buffer | string>;

const keys = generateKeyPairSync("ed25519");
const publicKey = keys.publicKey.export({ type: "spki", format: "der" });
const serverId = createHash("sha256").update(publicKey).digest("hex");

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "coop-update-"));
  home = join(folder, "home");
  said = [];
  answers = new Map();
  server = createServer((request, response) => {
    const answer = answers.get(request.url ?? "");
    response.statusCode = answer === undefined ? 404 : 200;
    response.end(answer);
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  await mkdir(join(folder, "running"));
  await writeFile(join(folder, "running", "main.js"), "the old one");
});
afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => {
    server.close(resolve);
  });
  await rm(folder, { recursive: true, force: true });
});

async function joinCoop(): Promise<void> {
  const { port } = server.address() as AddressInfo;
  await writeIdentity(home, {
    node: asNodeId("node_1"),
    name: "attic",
    owner: asMemberId("mem_1"),
    serverUrl: `http://127.0.0.1:${port}`,
    serverId,
    serverPublicKey: publicKey.toString("base64"),
    privateKey: createNodeKey().privateKey,
    plaintextAllowed: false,
  });
}

/** Packs a program as a server hands it out. */
async function pack(text: string): Promise<Buffer> {
  const source = await mkdtemp(join(folder, "pack-"));
  await mkdir(join(source, "package"));
  await writeFile(join(source, "package", "main.js"), text);
  await runTool("tar", ["-czf", join(source, "agent.tgz"), "-C", source, "package"]);
  return readFile(join(source, "agent.tgz"));
}

function offer(
  content: Buffer,
  version: string,
  signer: KeyObject = keys.privateKey,
  of: Buffer = content,
): void {
  const sha256 = createHash("sha256").update(of).digest("hex");
  const signature = sign(null, Buffer.from(packageText(serverId, version, sha256)), signer).toString(
    "base64",
  );
  answers.set(AGENT_PACKAGE_PATH, content);
  answers.set(
    AGENT_PACKAGE_INFO_PATH,
    JSON.stringify({ version, sha256, bytes: content.length, serverId, signature }),
  );
}

const updateFrom = async (main: string, run: ServiceHost["run"] = async () => ""): Promise<void> => {
  const timing = createSystemTiming();
  const config = await readConfig(home, {}, {});
  return update({
    config,
    timing,
    log: createPlainLog("error", timing.now, () => undefined),
    say: (line) => said.push(line),
    // No service is installed in this home; the machine's tools answer and do nothing.
    host: {
      platform: "linux",
      userId: 1000,
      userName: "maja",
      userHome: folder,
      environment: {},
      run,
    },
    main,
    signal: new AbortController().signal,
  });
};
const updateAgent = async (): Promise<void> => updateFrom(join(folder, "running", "main.js"));
const installed = async (): Promise<string> => readFile(join(programFolder(home), "main.js"), "utf8");

test("the agent that the server vouches for takes the place of this one", async () => {
  await joinCoop();
  offer(await pack("the new one"), "0.2.0+abc");
  await updateAgent();
  expect(await installed()).toBe("the new one");
  expect(said.join("\n")).toContain(`${AGENT_VERSION} replaced by 0.2.0+abc`);
  expect((await readdir(home)).filter((name) => name.startsWith("update-"))).toEqual([]);
});

test("an installed agent starts anew with what it was installed with", async () => {
  await joinCoop();
  const ran: string[] = [];
  const run: ServiceHost["run"] = async (program, args) => {
    ran.push([program, ...args].join(" "));
    return "";
  };
  const host = { platform: "linux", userId: 1000, userName: "maja", userHome: folder, environment: {}, run };
  const service = systemdService(host, "user");
  const command = ["/usr/bin/node", join(programFolder(home), "main.js"), "start"] as const;
  await service.install({ command, environment: { OLLAMA_NUM_PARALLEL: "4" } });
  ran.length = 0;
  offer(await pack("the new one"), "0.2.0+abc");
  await updateFrom(join(folder, "running", "main.js"), run);
  expect(ran).toContain("systemctl --user restart coop-agent.service");
  expect(await readFile(service.path, "utf8")).toContain("OLLAMA_NUM_PARALLEL=4");
  await service.install({ command: ["/usr/bin/node", "/elsewhere/main.ts", "start"], environment: {} });
  await updateFrom(join(folder, "running", "main.js"), run);
  expect(await readFile(service.path, "utf8")).toContain(join(programFolder(home), "main.js"));
});

test("without a service it says how to run the new one", async () => {
  await joinCoop();
  offer(await pack("the new one"), "0.2.0+abc");
  await updateFrom(join(folder, "running", "main.js"), () =>
    Promise.reject(new OperationalError("tool-missing", "There is no systemctl on this machine.")),
  );
  expect(await installed()).toBe("the new one");
  expect(said.join("\n")).toContain(`${join(programFolder(home), "main.js")} start`);
});

test("the agent of the service counts, whichever agent the command was typed to", async () => {
  await joinCoop();
  const settle = async (version: string): Promise<void> => {
    await mkdir(programFolder(home), { recursive: true });
    await writeFile(join(programFolder(home), "package.json"), JSON.stringify({ version }));
    await writeFile(join(programFolder(home), "main.js"), "the settled one");
  };
  await settle("0.2.0+abc");
  offer(await pack("the new one"), "0.2.0+abc");
  await updateAgent();
  expect(await installed()).toBe("the settled one");
  await settle("0.0.9");
  offer(await pack("the new one"), AGENT_VERSION);
  await updateAgent();
  expect(await installed()).toBe("the new one");
});

test("the same version stays as it is", async () => {
  await joinCoop();
  offer(await pack("the same"), AGENT_VERSION);
  await updateAgent();
  await expect(installed()).rejects.toThrow("ENOENT");
});

test.each([
  [
    "a tarball that somebody changed",
    async () => offer(await pack("evil"), "0.2.0", keys.privateKey, await pack("good")),
  ],
  [
    "a server with another identity",
    async () =>
      offer(
        await pack("evil"),
        "0.2.0",
        createPrivateKey(generateKeyPairSync("ed25519").privateKey.export({ type: "pkcs8", format: "pem" })),
      ),
  ],
  [
    "a version that was changed on the way",
    async () => {
      offer(await pack("old"), "0.1.0-old");
      const info = JSON.parse(String(answers.get(AGENT_PACKAGE_INFO_PATH))) as object;
      answers.set(AGENT_PACKAGE_INFO_PATH, JSON.stringify({ ...info, version: "9.9.9" }));
    },
  ],
  ["an answer that is none", () => void answers.set(AGENT_PACKAGE_INFO_PATH, "<html>")],
])("%s is refused, and nothing changes", async (_, prepare) => {
  await joinCoop();
  await prepare();
  await expect(updateAgent()).rejects.toMatchObject({
    code: "package-refused",
    message: expect.stringContaining("Nothing was changed"),
  });
  await expect(installed()).rejects.toThrow("ENOENT");
});

test("a server without an agent, a node that has not joined and an agent from its sources are named", async () => {
  await expect(updateAgent()).rejects.toMatchObject({ code: "not-joined" });
  await joinCoop();
  await expect(updateAgent()).rejects.toMatchObject({ code: "no-package" });
  await expect(updateFrom(import.meta.filename)).rejects.toMatchObject({ code: "runs-from-sources" });
});
