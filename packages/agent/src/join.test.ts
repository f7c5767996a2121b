import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { createHash, createPublicKey, generateKeyPairSync, sign, verify } from "node:crypto";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  JOIN_PATH,
  JOIN_REFUSALS,
  JOIN_TOKEN_PREFIX,
  joinRequestSchema,
  PROTOCOL_VERSION,
  proofText,
} from "@coop/protocol";
import { createNodeKey, isServerProven, readIdentity, signChallenge, writeIdentity } from "./identity.ts";
import { joinCoop, parseJoinToken } from "./join.ts";

const keys = generateKeyPairSync("ed25519");
const publicKey = keys.publicKey.export({ type: "spki", format: "der" });
const serverId = createHash("sha256").update(publicKey).digest("hex");

type Reply = (body: unknown) => { readonly status: number; readonly body: unknown };

let home: string;
let url: string;
let reply: Reply;
let seen: unknown;
const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on("data", (chunk: Buffer) => chunks.push(chunk));
  request.on("end", () => {
    seen = JSON.parse(Buffer.concat(chunks).toString("utf8"));
    const { status, body } = request.url === JOIN_PATH ? reply(seen) : { status: 404, body: {} };
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
  });
});

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "coop-join-"));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await rm(home, { recursive: true });
});

const tokenFor = (ticket: object): string =>
  JOIN_TOKEN_PREFIX + Buffer.from(JSON.stringify(ticket)).toString("base64url");
const ticket = (overrides: object = {}) => ({
  url,
  serverId,
  id: "jt_1",
  secret: "0123456789abcdef",
  ...overrides,
});
const accept =
  (serverKey = keys): Reply =>
  (body) => {
    const { name, nonce } = joinRequestSchema.parse(body);
    const text = proofText("server", nonce, serverId, "node_7", PROTOCOL_VERSION);
    const signature = sign(null, Buffer.from(text), serverKey.privateKey).toString("base64");
    const serverPublicKey = serverKey.publicKey.export({ type: "spki", format: "der" }).toString("base64");
    return {
      status: 200,
      body: { node: "node_7", name: `${name}-2`, owner: "mem_1", serverId, serverPublicKey, signature },
    };
  };
const attempt = (token = tokenFor(ticket()), plaintextAllowed = false) =>
  joinCoop({ token, name: "attic", plaintextAllowed, signal: AbortSignal.timeout(5_000) });

describe("joining", () => {
  test("swaps a token for an identity that proves the node and knows the server", async () => {
    reply = accept();
    const outcome = await attempt(`  ${tokenFor(ticket())}\n`);
    expect(outcome).toMatchObject({
      kind: "joined",
      identity: { node: "node_7", name: "attic-2", owner: "mem_1", serverUrl: url, serverId },
    });
    if (outcome.kind !== "joined") throw new Error(outcome.message);
    const { identity } = outcome;
    expect(JSON.stringify(seen)).not.toContain(identity.privateKey);

    await writeIdentity(home, identity);
    expect(await readIdentity(home)).toEqual(identity);
    expect((await stat(join(home, "identity.json"))).mode & 0o777).toBe(0o600);
    const signature = signChallenge(identity, "a nonce of the server");
    const { publicKey: nodeKey } = joinRequestSchema.parse(seen);
    const text = proofText("agent", "a nonce of the server", serverId, "node_7", PROTOCOL_VERSION);
    const key = createPublicKey({ key: Buffer.from(nodeKey, "base64"), type: "spki", format: "der" });
    expect(verify(null, Buffer.from(text), key, Buffer.from(signature, "base64"))).toBe(true);
  });

  test("is refused when the server cannot prove to be the token's", async () => {
    reply = accept(generateKeyPairSync("ed25519"));
    expect(await attempt()).toMatchObject({ kind: "refused", reason: "wrong-server" });
    reply = (body) => {
      const answer = accept()(body);
      return { ...answer, body: { ...(answer.body as object), signature: "AAAA" } };
    };
    expect(await attempt()).toMatchObject({ kind: "refused", reason: "wrong-server" });
  });

  test.for([
    [JOIN_REFUSALS.expired, "expired", /has expired.*invite-node/],
    [JOIN_REFUSALS.used, "used", /used before.*invite-node/],
    [JOIN_REFUSALS.unknown, "unknown-token", /does not know.*invite-node/],
    ["something_else", "refused", /the moon is full/],
  ] as const)("says what a refusal %s means", async ([code, reason, message]) => {
    reply = () => ({
      status: 403,
      body: { error: { message: "the moon is full", type: "x", param: null, code } },
    });
    const outcome = await attempt();
    expect(outcome).toMatchObject({ kind: "refused", reason, message: expect.stringMatching(message) });
  });

  test("names a server that is no co-op's", async () => {
    reply = () => ({ status: 200, body: { hello: "world" } });
    expect(await attempt()).toMatchObject({
      reason: "refused",
      message: expect.stringContaining("not as a co-op's"),
    });
    reply = () => ({ status: 502, body: "bad gateway" });
    expect(await attempt()).toMatchObject({
      reason: "refused",
      message: expect.stringContaining("HTTP 502"),
    });
  });

  test("names a server that does not answer", async () => {
    const closed = createServer();
    await new Promise<void>((resolve) => closed.listen(0, "127.0.0.1", resolve));
    const { port } = closed.address() as AddressInfo;
    await new Promise((resolve) => closed.close(resolve));
    const outcome = await attempt(tokenFor(ticket({ url: `http://127.0.0.1:${port}` })));
    expect(outcome).toMatchObject({
      reason: "unreachable",
      message: expect.stringContaining("ECONNREFUSED"),
    });
  });

  test("goes over plain http beyond this machine only when its owner says so", async () => {
    const token = tokenFor(ticket({ url: "http://192.0.2.1:7070" }));
    expect(await attempt(token)).toMatchObject({
      reason: "plaintext",
      message: expect.stringContaining("--allow-plaintext"),
    });
    const signal = AbortSignal.timeout(50);
    expect(await joinCoop({ token, name: "attic", plaintextAllowed: true, signal })).toMatchObject({
      reason: "unreachable",
    });
  });

  test.for([
    ["nothing", ""],
    ["another secret", "coop_abc_def"],
    ["half a token", tokenFor({ url: "http://127.0.0.1:1", serverId }).slice(0, 40)],
    ["no JSON", `${JOIN_TOKEN_PREFIX}!!!`],
    ["a ticket without a secret", tokenFor({ url: "http://127.0.0.1:1", serverId, id: "a" })],
  ] as const)("does not take %s for a token", async ([, text]) => {
    expect(parseJoinToken(text)).toBeNull();
    expect(await attempt(text)).toMatchObject({
      reason: "malformed-token",
      message: expect.stringContaining("coopjoin_"),
    });
  });
});

describe("the identity", () => {
  test("is null before the node has joined, and an error when the file is broken", async () => {
    expect(await readIdentity(home)).toBeNull();
    await writeFile(join(home, "identity.json"), "{");
    await expect(readIdentity(home)).rejects.toMatchObject({
      code: "file-unreadable",
      message: expect.stringContaining("join again"),
    });
  });

  test("file is replaced whole", async () => {
    reply = accept();
    const outcome = await attempt();
    if (outcome.kind !== "joined") throw new Error(outcome.message);
    await writeIdentity(home, outcome.identity);
    await writeIdentity(home, { ...outcome.identity, name: "cellar" });
    expect(JSON.parse(await readFile(join(home, "identity.json"), "utf8"))).toMatchObject({ name: "cellar" });
  });
});

test("a server's proof is of its own key, this node, this nonce and this version", () => {
  const of = (side: "agent" | "server", nonce: string, node: string, version: number) =>
    sign(null, Buffer.from(proofText(side, nonce, serverId, node, version)), keys.privateKey).toString(
      "base64",
    );
  const proof = (signature: string, overrides: object = {}) =>
    isServerProven({
      publicKey: publicKey.toString("base64"),
      serverId,
      node: "node_7",
      nonce: "n",
      signature,
      ...overrides,
    });
  const good = of("server", "n", "node_7", PROTOCOL_VERSION);
  expect(proof(good)).toBe(true);
  expect(proof(of("agent", "n", "node_7", PROTOCOL_VERSION))).toBe(false);
  expect(proof(of("server", "m", "node_7", PROTOCOL_VERSION))).toBe(false);
  expect(proof(of("server", "n", "node_8", PROTOCOL_VERSION))).toBe(false);
  expect(proof(of("server", "n", "node_7", PROTOCOL_VERSION + 1))).toBe(false);
  expect(proof(good, { publicKey: createNodeKey().publicKey })).toBe(false);
  const garbage = Buffer.from("no key at all");
  const garbageId = createHash("sha256").update(garbage).digest("hex");
  expect(proof(good, { publicKey: garbage.toString("base64"), serverId: garbageId })).toBe(false);
});
