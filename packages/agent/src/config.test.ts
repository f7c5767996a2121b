import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { agentHome } from "./home-directory.ts";
import { readConfig } from "./config.ts";

let home: string;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "coop-config-"));
});
afterEach(() => rm(home, { recursive: true }));

const settings = (file: object) => writeFile(join(home, "agent.json"), JSON.stringify(file));

describe("a setting", () => {
  test("comes from the command line, else the environment, else agent.json, else a default", async () => {
    expect(await readConfig(home, {}, {})).toMatchObject({
      engineUrl: "http://127.0.0.1:11434",
      slots: null,
      engineSlots: null,
      modelMemoryBytes: null,
      contextTokens: null,
      tokensPerDay: null,
      plaintextAllowed: false,
    });
    await settings({
      name: "file",
      slots: 1,
      memoryGib: 1,
      context: 1024,
      tokensPerDay: 1,
      engine: "file:1",
      allowPlaintext: true,
    });
    expect(await readConfig(home, {}, {})).toEqual({
      home,
      name: "file",
      engineUrl: "file:1",
      slots: 1,
      engineSlots: null,
      modelMemoryBytes: 2 ** 30,
      contextTokens: 1024,
      tokensPerDay: 1,
      plaintextAllowed: true,
      keepFreeBytes: null,
      pinnedModels: [],
    });
    const env = {
      COOP_AGENT_NAME: "env",
      COOP_AGENT_SLOTS: "2",
      COOP_AGENT_MEMORY_GIB: "2.5",
      OLLAMA_NUM_PARALLEL: "4",
      COOP_AGENT_CONTEXT: "2048",
      COOP_AGENT_TOKENS_PER_DAY: "2",
      OLLAMA_HOST: "env:2",
      COOP_AGENT_ALLOW_PLAINTEXT: "no",
    };
    const fromEnv = {
      name: "env",
      engineUrl: "env:2",
      slots: 2,
      engineSlots: 4,
      modelMemoryBytes: 2.5 * 2 ** 30,
      contextTokens: 2048,
      tokensPerDay: 2,
      plaintextAllowed: false,
    };
    expect(await readConfig(home, {}, env)).toMatchObject(fromEnv);
    const flags = {
      name: "flag",
      slots: "3",
      memory: "3",
      context: "4096",
      tokensPerDay: "3",
      engine: "flag:3",
      allowPlaintext: true,
    };
    const fromFlags = {
      name: "flag",
      engineUrl: "flag:3",
      slots: 3,
      modelMemoryBytes: 3 * 2 ** 30,
      contextTokens: 4096,
      tokensPerDay: 3,
      plaintextAllowed: true,
    };
    expect(await readConfig(home, flags, env)).toMatchObject(fromFlags);
  });

  test.for([
    [{ slots: "0" }, {}, /^--slots takes a whole number from 1 to 256, not "0"\.$/],
    [{ slots: "two" }, {}, /^--slots takes.*"two"/],
    [{ context: "100" }, {}, /^--context takes.*"100"/],
    [{}, { COOP_AGENT_TOKENS_PER_DAY: "1.5" }, /^COOP_AGENT_TOKENS_PER_DAY takes.*"1\.5"/],
    [{}, { COOP_AGENT_ALLOW_PLAINTEXT: "perhaps" }, /^COOP_AGENT_ALLOW_PLAINTEXT takes yes or no/],
    [{ name: "x".repeat(61) }, {}, /^--name takes 1 to 60 characters/],
  ] as const)("that does not fit is named: %j %j", async ([flags, env, message]) => {
    await expect(readConfig(home, flags, env)).rejects.toMatchObject({
      code: "bad-setting",
      message: expect.stringMatching(message),
    });
  });

  test("that agent.json does not know, or has wrong, is named with its file", async () => {
    for (const [file, words] of [
      [{ slotz: 2 }, "slotz"],
      [{ slots: "many" }, "slots"],
    ] as const) {
      await settings(file);
      await expect(readConfig(home, {}, {})).rejects.toMatchObject({
        code: "file-unreadable",
        message: expect.stringMatching(new RegExp(`agent\\.json.*${words}.*takes name, engine`, "s")),
      });
    }
  });
});

test("the agent's home is the platform's data directory unless it is moved", () => {
  expect(agentHome({ COOP_AGENT_HOME: "/here" }, "linux")).toBe("/here");
  expect(agentHome({ XDG_DATA_HOME: "/data" }, "linux")).toBe(join("/data", "coop-agent"));
  expect(agentHome({}, "darwin")).toMatch(/Library.Application Support.coop-agent$/);
  expect(agentHome({ LOCALAPPDATA: "/local" }, "win32")).toBe(join("/local", "coop-agent"));
});
