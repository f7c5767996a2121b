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

const settings = (text: string) => writeFile(join(home, "agent.yaml"), text);
const GIB = 2 ** 30;

describe("a setting", () => {
  test("comes from the command line, else the environment, else agent.yaml, else a default", async () => {
    expect(await readConfig(home, {}, {})).toMatchObject({
      engineUrl: "http://127.0.0.1:11434",
      engineSlots: null,
      plaintextAllowed: false,
      settings: { slots: null, memory: null, freeMemory: null, contextTokens: null, pinnedModels: [] },
      overrides: {},
    });
    await settings(
      "name: file\nslots: 1\nmemory: 1\ncontext: 1024\nengine: file:1\nallowPlaintext: yes\nhours: sat\n",
    );
    const fromFile = {
      slots: 1,
      memory: { kind: "bytes", bytes: GIB },
      contextTokens: 1024,
      hours: { text: "sat" },
    };
    expect(await readConfig(home, {}, {})).toMatchObject({
      home,
      name: "file",
      engineUrl: "file:1",
      engineSlots: null,
      plaintextAllowed: true,
      settings: fromFile,
      overrides: {},
    });
    const env = {
      COOP_AGENT_NAME: "env",
      COOP_AGENT_SLOTS: "2",
      COOP_AGENT_MEMORY_GIB: "2.5",
      OLLAMA_NUM_PARALLEL: "4",
      COOP_AGENT_CONTEXT: "2048",
      OLLAMA_HOST: "env:2",
      COOP_AGENT_ALLOW_PLAINTEXT: "no",
      COOP_AGENT_FREE_MEMORY_GIB: "",
      COOP_AGENT_PIN: "a:1, b",
    };
    const overrides = {
      slots: 2,
      memory: { kind: "bytes", bytes: 2.5 * GIB },
      contextTokens: 2048,
      pinnedModels: ["a:1", "b"],
    };
    const fromEnv = await readConfig(home, {}, env);
    expect(fromEnv).toMatchObject({
      name: "env",
      engineUrl: "env:2",
      engineSlots: 4,
      plaintextAllowed: false,
      settings: { ...fromFile, ...overrides },
    });
    expect(fromEnv.overrides).toEqual(overrides);
    const flags = {
      name: "flag",
      slots: "3",
      memory: "50%",
      freeMemory: "3",
      context: "4096",
      engine: "flag:3",
      allowPlaintext: true,
      pin: "c",
    };
    expect(await readConfig(home, flags, env)).toMatchObject({
      name: "flag",
      engineUrl: "flag:3",
      plaintextAllowed: true,
      overrides: {
        slots: 3,
        memory: { kind: "share", share: 0.5 },
        freeMemory: { kind: "bytes", bytes: 3 * GIB },
        contextTokens: 4096,
        pinnedModels: ["c"],
      },
    });
  });

  test.for([
    [{ slots: "0" }, {}, /^--slots takes a whole number from 1 to 256, not "0"\.$/],
    [{ slots: "two" }, {}, /^--slots takes.*"two"/],
    [{ context: "100" }, {}, /^--context takes.*"100"/],
    [{ freeMemory: "all" }, {}, /^--free-memory takes.*"all"/],
    [{ pin: "a,,b" }, {}, /^--pin takes names of models with commas between them, not "a,,b"/],
    [{}, { COOP_AGENT_MEMORY_GIB: "0" }, /^COOP_AGENT_MEMORY_GIB takes.*"0"/],
    [{}, { COOP_AGENT_ALLOW_PLAINTEXT: "perhaps" }, /^COOP_AGENT_ALLOW_PLAINTEXT takes yes or no/],
    [{ name: "x".repeat(61) }, {}, /^--name takes 1 to 60 characters/],
  ] as const)("that does not fit is named: %j %j", async ([flags, env, message]) => {
    await expect(readConfig(home, flags, env)).rejects.toMatchObject({
      code: "bad-setting",
      message: expect.stringMatching(message),
    });
  });

  test("that agent.yaml has wrong is named with its line and file", async () => {
    await settings("# mine\nslots: many\n");
    await expect(readConfig(home, {}, {})).rejects.toMatchObject({
      code: "bad-setting",
      message: expect.stringMatching(
        /^agent\.yaml:2: slots takes a whole number.*\nThe file is .*agent\.yaml/,
      ),
    });
  });
});

test("the agent's home is the platform's data directory unless it is moved", () => {
  expect(agentHome({ COOP_AGENT_HOME: "/here" }, "linux")).toBe("/here");
  expect(agentHome({ XDG_DATA_HOME: "/data" }, "linux")).toBe(join("/data", "coop-agent"));
  expect(agentHome({}, "darwin")).toMatch(/Library.Application Support.coop-agent$/);
  expect(agentHome({ LOCALAPPDATA: "/local" }, "win32")).toBe(join("/local", "coop-agent"));
});
