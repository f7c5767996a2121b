import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { asMemberId, asNodeId } from "@coop/core";
import { expect, test } from "vitest";
import type { AgentIdentity } from "../identity.ts";
import { checkEngine, checkExposure, checkSlots } from "./engine.ts";
import { checkHome, checkMemory, checkNode } from "./machine.ts";
import { checkServer } from "./server.ts";

const GIB = 2 ** 30;
const verdicts = (findings: readonly { readonly verdict: string }[]) =>
  findings.map(({ verdict }) => verdict);

test("an old Node is a problem, a newer one is not", () => {
  expect(checkNode("v20.20.2")).toMatchObject({
    verdict: "problem",
    fix: expect.stringContaining("newer Node"),
  });
  expect(checkNode("v22.0.0").verdict).toBe("good");
});

test("a key that others can read is a problem, and the fix closes it", async () => {
  const home = await mkdtemp(join(tmpdir(), "coop-doctor-"));
  try {
    expect((await checkHome(join(home, "not-there"))).verdict).toBe("good");
    expect((await checkHome(home)).verdict).toBe("good");
    const key = join(home, "identity.json");
    await writeFile(key, "{}");
    await chmod(key, 0o644);
    expect(await checkHome(home)).toMatchObject({
      verdict: "problem",
      fix: expect.stringContaining("chmod 600"),
    });
    await chmod(key, 0o600);
    expect((await checkHome(home)).verdict).toBe("good");
  } finally {
    await rm(home, { recursive: true });
  }
});

test("memory is short when no model fits, and tight when hardly any is free", () => {
  const memory = {
    totalBytes: 8 * GIB,
    freeBytes: 4 * GIB,
    forModelsBytes: 5 * GIB,
    smallestModelBytes: 2 * GIB,
  };
  expect(checkMemory(memory).verdict).toBe("good");
  expect(checkMemory({ ...memory, smallestModelBytes: 6 * GIB }).verdict).toBe("problem");
  expect(checkMemory({ ...memory, freeBytes: 0.1 * GIB }).verdict).toBe("warning");
  expect(checkMemory({ ...memory, smallestModelBytes: null }).verdict).toBe("good");
});

test("an engine that is away, too old or without models is told apart", () => {
  const none = { kind: "listed", models: [] } as const;
  const away = { kind: "refused", reason: "absent", message: "nobody answers" } as const;
  expect(checkEngine(away, none)[0]?.fix).toContain("ollama serve");
  expect(checkEngine({ ...away, reason: "too-old" }, none)[0]?.fix).toContain("Update Ollama");
  const ready = { kind: "ready", engine: "ollama 0.35.1", simulated: null } as const;
  expect(verdicts(checkEngine(ready, none))).toEqual(["good", "problem"]);
  expect(verdicts(checkEngine(ready, { kind: "unavailable", message: "no answer" }))).toEqual([
    "good",
    "problem",
  ]);
});

test("slots follow what Ollama runs at once", () => {
  expect(checkSlots(null, null)).toMatchObject({
    verdict: "warning",
    found: expect.stringContaining("offers 1"),
  });
  expect(checkSlots(2, 4)).toMatchObject({
    verdict: "warning",
    fix: expect.stringContaining("OLLAMA_NUM_PARALLEL=4"),
  });
  expect(checkSlots(4, null)).toMatchObject({ verdict: "good", found: "4 (OLLAMA_NUM_PARALLEL 4)" });
});

test("an engine that answers on an address of the network is exposed, one on loopback alone is not", async () => {
  const server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.2", resolve);
  });
  const { port } = server.address() as AddressInfo;
  const signal = AbortSignal.timeout(10_000);
  try {
    const exposed = await checkExposure(port, ["127.0.0.2", "127.0.0.3"], signal);
    expect(exposed).toMatchObject({ verdict: "warning", found: expect.stringContaining("127.0.0.2") });
    expect(exposed.found).not.toContain("127.0.0.3");
    expect(await checkExposure(port, ["127.0.0.3"], signal)).toMatchObject({
      verdict: "good",
      found: expect.stringContaining(`nothing answers on ${port}`),
    });
  } finally {
    await new Promise((resolve) => {
      server.close(resolve);
    });
  }
});

const identity: AgentIdentity = {
  node: asNodeId("node_1"),
  name: "studio",
  owner: asMemberId("mem_1"),
  serverUrl: "https://coop.example",
  serverId: "",
  serverPublicKey: "",
  privateKey: "",
  plaintextAllowed: false,
};

test("the way to the server: not joined, silent, refusing, without TLS, well, and a clock that is off", () => {
  const answered = { kind: "answered", status: 200, dateMs: 1_000_000, tookMs: 12 } as const;
  expect(verdicts(checkServer(null, false, null, 0))).toEqual(["warning"]);
  expect(checkServer(identity, false, { kind: "silent", why: "ECONNREFUSED" }, 0)[0]?.found).toContain(
    "ECONNREFUSED",
  );
  expect(verdicts(checkServer(identity, false, { ...answered, status: 502 }, 0))).toEqual(["problem"]);
  const plain = { ...identity, serverUrl: "http://coop.example" };
  expect(verdicts(checkServer(plain, false, answered, 1_000_000))).toEqual(["problem"]);
  expect(verdicts(checkServer(plain, true, answered, 1_000_000))).toEqual(["good", "good"]);
  expect(verdicts(checkServer(identity, false, answered, 1_020_000))).toEqual(["good", "good"]);
  expect(checkServer(identity, false, answered, 1_090_000)[1]?.found).toBe("90 s ahead of the server's");
});
