import { createHash, verify, createPublicKey } from "node:crypto";
import {
  AGENT_PACKAGE_INFO_PATH,
  AGENT_PACKAGE_PATH,
  agentPackageSchema,
  identityText,
  packageText,
  SERVER_IDENTITY_PATH,
  serverIdentitySchema,
} from "@coop/protocol";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createWorld } from "../testing/world.ts";
import type { World } from "../testing/world.ts";
import { SESSION_MS } from "./session.ts";

const content = new Uint8Array([1, 2, 3]);
const sha256 = createHash("sha256").update(content).digest("hex");

let world: World;
beforeEach(async () => {
  world = await createWorld({
    replace: () => ({
      agentPackage: { version: "0.1.0+1", sha256, content },
      metricsToken: "metrics-token-of-16",
    }),
  });
});
afterEach(async () => {
  await world.expectQuiet();
});

const OWN = { "sec-fetch-site": "same-origin" };
const signIn = async (key: string, headers: Record<string, string> = OWN): Promise<Response> =>
  world.app.request("/page/sign-in", { method: "POST", headers, body: new URLSearchParams({ key }) });
/** The cookie of a sign-in that worked, as a browser sends it back. */
async function cookieOf(key: string): Promise<string> {
  const response = await signIn(key);
  expect(response.status).toBe(303);
  const [cookie = ""] = (response.headers.get("set-cookie") ?? "").split(";");
  return cookie;
}

describe("the page", () => {
  test("shows everyone the fleet, and nobody's key, name or jobs", async () => {
    const response = await world.app.request("/");
    const text = await response.text();
    expect(response.status).toBe(200);
    for (const shown of ["studio", "pi", "qwen3:32b", "Sign in"]) expect(text).toContain(shown);
    for (const hidden of ["ada", "My quota", "Members"]) expect(text).not.toContain(hidden);
  });

  test("loads nothing from elsewhere and runs nothing that stands in it", async () => {
    const response = await world.app.request("/");
    const policy = response.headers.get("content-security-policy") ?? "";
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toContain("unsafe");
    const text = await response.text();
    expect(text).not.toMatch(/\son\w+=|<style|style=|https?:\/\//i);
    const loaded = Array.from(text.matchAll(/(?:src|href)="(\/page\/[^"]+)"/g), ([, path = ""]) => path);
    expect(loaded.length).toBeGreaterThan(3);
    for (const path of loaded) {
      const file = await world.app.request(path);
      expect(file.status, path).toBe(200);
      expect(await file.text(), path).not.toMatch(
        /@import|https?:\/\/(?!www\.w3\.org\/|github\.com\/leeoniya)/,
      );
      const headers = { "if-none-match": file.headers.get("etag") ?? "" };
      expect((await world.app.request(path, { headers })).status, path).toBe(304);
    }
  });

  test("writes names as text, whatever is in them", async () => {
    const settings = { ...world.deps.settings, name: "<script>alert(1)</script>" };
    const other = await createWorld({ replace: () => ({ settings }) });
    const text = await (await other.app.request("/")).text();
    expect(text).toContain("&lt;script&gt;alert(1)");
    expect(text).not.toContain("<script>alert");
  });

  test("marks agents of another build, and not those that run from their sources", async () => {
    const text = async (version: string): Promise<string> => {
      const agentPackage = { version, sha256, content };
      const other = await createWorld({ replace: () => ({ agentPackage }) });
      return (await other.app.request("/")).text();
    };
    expect(await text("0.1.0+1")).not.toContain("older agent");
    expect(await text("0.2.0+1")).toContain("older agent");
  });

  test("gives a member their own sections, and an operator the co-op's", async () => {
    const asked = async (key: string): Promise<string> =>
      (await world.app.request("/", { headers: { cookie: await cookieOf(key) } })).text();
    const member = await asked(world.ada.key);
    expect(member).toContain("My quota");
    expect(member).not.toContain("Let a machine join");
    expect(await asked(world.operator.key)).toContain("Let a machine join");
  });

  test("tells what is live as it changes, until its reader goes", async () => {
    const gone = new AbortController();
    const response = await world.app.request("/page/live", { signal: gone.signal });
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    const first = await reader?.read();
    expect(first?.value).toMatch(/^event: fleet\ndata: \{"atMs":/);
    expect(first?.value).toContain("studio");
    await reader?.cancel();
  });
});

describe("a session", () => {
  test("stands for its key, in a cookie that no script and no other site can use", async () => {
    const response = await signIn(world.ada.key);
    const set = response.headers.get("set-cookie") ?? "";
    expect(set).toMatch(/HttpOnly/i);
    expect(set).toMatch(/SameSite=Strict/i);
    expect(set).not.toContain(world.ada.key.slice(-20));
    const quota = await world.app.request("/v1/quota", {
      headers: { ...OWN, cookie: await cookieOf(world.ada.key) },
    });
    expect(await quota.json()).toMatchObject({ memberName: "ada" });
  });

  test("goes over TLS only where the co-op has it", async () => {
    const secure = await createWorld({ replace: () => ({ publicUrl: () => "https://coop.example" }) });
    const response = await secure.app.request("/page/sign-in", {
      method: "POST",
      headers: OWN,
      body: new URLSearchParams({ key: secure.ada.key }),
    });
    expect(response.headers.get("set-cookie")).toMatch(/^__Host-coop-session=.*Secure/);
  });

  test("is not given for a key that does not serve, and the page says why", async () => {
    const response = await signIn(`${world.ada.key.slice(0, -1)}!`);
    expect(response.status).toBe(401);
    expect(response.headers.get("set-cookie")).toBeNull();
    expect(await response.text()).toContain("This is no complete API key");
  });

  test("ends with its time, and when its key is revoked", async () => {
    const cookie = await cookieOf(world.ada.key);
    const ask = async (): Promise<number> =>
      (await world.app.request("/v1/quota", { headers: { ...OWN, cookie } })).status;
    expect(await ask()).toBe(200);
    await world.deps.members.revokeKey("keyada00000", world.clock.now());
    expect(await ask()).toBe(401);
    expect(await (await world.app.request("/", { headers: { cookie } })).text()).toContain("Sign in");
    const other = await cookieOf(world.bob.key);
    world.clock.advance(SESSION_MS);
    expect((await world.app.request("/v1/quota", { headers: { ...OWN, cookie: other } })).status).toBe(401);
  });

  test("ends when its member signs out", async () => {
    const headers = { ...OWN, cookie: await cookieOf(world.ada.key) };
    const response = await world.app.request("/page/sign-out", { method: "POST", headers });
    expect(response.status).toBe(303);
    expect(response.headers.get("set-cookie")).toMatch(/coop-session=;.*Max-Age=0/);
  });

  test("serves our own pages only: a foreign site's request changes and reads nothing", async () => {
    const cookie = await cookieOf(world.operator.key);
    const add = async (headers: Record<string, string>): Promise<number> => {
      const body = JSON.stringify({ name: `m${Math.random()}` });
      const host = { host: "coop.example" };
      return (
        await world.app.request("/admin/members", {
          method: "POST",
          headers: { ...host, cookie, ...headers },
          body,
        })
      ).status;
    };
    const before = (await world.deps.members.members()).length;
    expect(await add({ "sec-fetch-site": "cross-site" })).toBe(403);
    expect(await add({ "sec-fetch-site": "same-site" })).toBe(403);
    expect(await add({ "sec-fetch-site": "none" })).toBe(403);
    expect(await add({})).toBe(403);
    expect(await add({ origin: "https://evil.example" })).toBe(403);
    expect((await world.deps.members.members()).length).toBe(before);
    expect(await add({ origin: "http://coop.example" })).toBe(201);
    expect(await add(OWN)).toBe(201);
    const read = await world.app.request("/v1/quota", {
      headers: { cookie, "sec-fetch-site": "cross-site" },
    });
    expect(read.status).toBe(403);
    expect((await signIn(world.ada.key, { "sec-fetch-site": "cross-site" })).status).toBe(403);
  });

  test("gives way to a key that is sent with it", async () => {
    const headers = {
      ...OWN,
      cookie: await cookieOf(world.ada.key),
      authorization: `Bearer ${world.bob.key}`,
    };
    const quota = await world.app.request("/v1/quota", { headers });
    expect(await quota.json()).toMatchObject({ memberName: "bob" });
  });
});

describe("the agent to install", () => {
  test("is handed out with the server's word for it", async () => {
    const tarball = await world.app.request(AGENT_PACKAGE_PATH);
    expect(new Uint8Array(await tarball.arrayBuffer())).toEqual(content);
    const info = agentPackageSchema.parse(await (await world.app.request(AGENT_PACKAGE_INFO_PATH)).json());
    const { serverIdentity } = world.deps;
    expect(info).toMatchObject({ version: "0.1.0+1", sha256, bytes: 3, serverId: serverIdentity.serverId });
    const key = createPublicKey({
      key: Buffer.from(serverIdentity.publicKey, "base64"),
      type: "spki",
      format: "der",
    });
    const text = Buffer.from(packageText(info.serverId, info.version, info.sha256));
    expect(verify(null, text, key, Buffer.from(info.signature, "base64"))).toBe(true);
  });

  test("comes from a server that proves who it is, over a nonce of whoever asks", async () => {
    const { serverIdentity } = world.deps;
    const nonce = "anew-for-this-question";
    const answer = await world.app.request(`${SERVER_IDENTITY_PATH}?nonce=${nonce}`);
    const { serverId, signature } = serverIdentitySchema.parse(await answer.json());
    expect(serverId).toBe(serverIdentity.serverId);
    const key = Buffer.from(serverIdentity.publicKey, "base64");
    const text = Buffer.from(identityText(serverId, nonce));
    const publicKey = createPublicKey({ key, type: "spki", format: "der" });
    expect(verify(null, text, publicKey, Buffer.from(signature, "base64"))).toBe(true);
    for (const bad of ["", "?nonce=short", `?nonce=${"a%0A".repeat(30)}`])
      expect((await world.app.request(SERVER_IDENTITY_PATH + bad)).status, bad).toBe(400);
  });

  test("is missing where none was built, and the answer says how to", async () => {
    const bare = await createWorld();
    const response = await bare.app.request(AGENT_PACKAGE_PATH);
    expect(response.status).toBe(404);
    expect(await response.text()).toContain("npm run build");
  });
});

describe("metrics", () => {
  const elsewhere = { incoming: { socket: { remoteAddress: "192.0.2.7" } } };
  const read = async (authorization?: string): Promise<Response> =>
    world.app.request(
      "/metrics",
      authorization === undefined ? {} : { headers: { authorization } },
      elsewhere,
    );

  test("go to who has the token, from anywhere, and to nobody else", async () => {
    expect((await read("Bearer metrics-token-of-16")).status).toBe(200);
    expect((await read("Bearer metrics-token-of-17")).status).toBe(401);
    expect((await read()).status).toBe(401);
  });

  test("show the fleet and the members' months as they are when they are asked for", async () => {
    const text = await (await read("Bearer metrics-token-of-16")).text();
    expect(text).toContain('coop_node_up{node="studio",owner="mem_owner"} 1');
    expect(text).toContain('coop_member_quota_limit_tokens{member="mem_bob"} 10000');
    expect(text).not.toContain('"ada"');
    const quiet = await createWorld({
      replace: () => ({ metricsOfMembers: false, metricsToken: "metrics-token-of-16" }),
    });
    const headers = { authorization: "Bearer metrics-token-of-16" };
    expect(await (await quiet.app.request("/metrics", { headers })).text()).not.toContain(
      "coop_member_quota_used_tokens{",
    );
  });
});
