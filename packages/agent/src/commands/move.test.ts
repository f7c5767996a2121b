import { createHash, generateKeyPairSync, sign } from "node:crypto";
import type { KeyObject } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { asMemberId, asNodeId, OperationalError } from "@coop/core";
import { identityText, SERVER_IDENTITY_PATH } from "@coop/protocol";
import { afterEach, beforeEach, expect, test } from "vitest";
import { readConfig } from "../config.ts";
import type { ConfigFlags } from "../config.ts";
import { createNodeKey, readIdentity, writeIdentity } from "../identity.ts";
import { createPlainLog } from "../plain-log.ts";
import { systemdService } from "../service/systemd.ts";
import { createSystemTiming } from "../timing.ts";
import { move } from "./move.ts";

const OLD = "https://old.example";
const keys = generateKeyPairSync("ed25519");
const publicKey = keys.publicKey.export({ type: "spki", format: "der" });
const serverId = createHash("sha256").update(publicKey).digest("hex");

let folder: string;
let said: string[];
/** What the machine's tools were asked. */
let ran: string[];
let parts: AsyncDisposableStack;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "coop-move-"));
  said = [];
  ran = [];
  parts = new AsyncDisposableStack();
  parts.defer(() => rm(folder, { recursive: true, force: true }));
});
afterEach(() => parts.disposeAsync());

async function joinCoop(): Promise<void> {
  await writeIdentity(folder, {
    node: asNodeId("node_1"),
    name: "attic",
    owner: asMemberId("mem_1"),
    serverUrl: OLD,
    serverId,
    serverPublicKey: publicKey.toString("base64"),
    privateKey: createNodeKey().privateKey,
    plaintextAllowed: false,
  });
}

/** A server that signs with a key what it takes for the nonce; the one that was asked, unless told otherwise. */
async function startServer(key: KeyObject, nonceOf = (asked: string): string => asked): Promise<string> {
  const server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? "/", "http://server");
    const nonce = nonceOf(searchParams.get("nonce") ?? "");
    response.statusCode = pathname === SERVER_IDENTITY_PATH ? 200 : 404;
    const signature = sign(null, Buffer.from(identityText(serverId, nonce)), key).toString("base64");
    response.end(JSON.stringify({ serverId, signature }));
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  parts.defer(
    () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
      }),
  );
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function moveTo(address: string, flags: ConfigFlags = {}, hasSystemd = true): Promise<void> {
  const timing = createSystemTiming();
  const main = join(folder, "main.ts");
  await writeFile(main, "");
  const run = async (program: string, args: readonly string[]): Promise<string> => {
    if (!hasSystemd) throw new OperationalError("tool-missing", "There is no systemctl on this machine.");
    ran.push([program, ...args].join(" "));
    return "";
  };
  await move(
    {
      config: await readConfig(folder, flags, {}),
      timing,
      log: createPlainLog("error", timing.now, () => undefined),
      say: (line) => said.push(line),
      host: { platform: "linux", userId: 1000, userName: "maja", userHome: folder, environment: {}, run },
      main,
      signal: new AbortController().signal,
    },
    address,
  );
}
const serverUrl = async () => (await readIdentity(folder))?.serverUrl;

test.each([true, false])("an agent goes where its server proves to be (systemd: %s)", async (hasSystemd) => {
  await joinCoop();
  const url = await startServer(keys.privateKey);
  await moveTo(`${url}/`, {}, hasSystemd);
  expect(await serverUrl()).toBe(url);
  expect(said).toEqual([
    `agent attic now looks for its server at ${url}`,
    "It goes there from the next `agent start` on.",
  ]);
});

test("an installed agent starts anew", async () => {
  await joinCoop();
  const host = {
    platform: "linux",
    userId: 1000,
    userName: "maja",
    userHome: folder,
    environment: {},
    run: async () => "",
  };
  const service = systemdService(host, "user");
  await service.install({ command: ["/usr/bin/node"], environment: { OLLAMA_NUM_PARALLEL: "4" } });
  const unit = await readFile(service.path, "utf8");
  await moveTo(await startServer(keys.privateKey));
  expect(ran).toContain("systemctl --user restart coop-agent.service");
  expect(said.at(-1)).toContain("started anew as a service");
  expect(await readFile(service.path, "utf8"), "what it was installed with").toBe(unit);
});

test.each<readonly [who: string, start: () => Promise<string>, words: string]>([
  ["another server", async () => startServer(generateKeyPairSync("ed25519").privateKey), "is another server"],
  [
    "one that repeats an old proof",
    async () => startServer(keys.privateKey, () => "n".repeat(43)),
    "another server",
  ],
  ["nobody", async () => "http://127.0.0.1:1", "does not answer"],
  ["a page without proof", async () => `${await startServer(keys.privateKey)}/below`, "answers with 404"],
])("%s at the new address changes nothing", async (_, start, words) => {
  await joinCoop();
  const failing = moveTo(await start());
  await expect(failing).rejects.toMatchObject({
    code: "not-the-server",
    message: expect.stringContaining(words),
  });
  await expect(failing).rejects.toThrow("Nothing was changed");
  expect(await serverUrl()).toBe(OLD);
});

test("an address without TLS has to be allowed, and a machine has to have joined", async () => {
  await expect(moveTo("https://coop.example")).rejects.toMatchObject({ code: "not-joined" });
  await joinCoop();
  await expect(moveTo("http://192.0.2.1:7070")).rejects.toMatchObject({ code: "bad-address" });
  await expect(moveTo("coop.example")).rejects.toMatchObject({ code: "bad-address" });
});
