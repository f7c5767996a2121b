import { describe, expect, it } from "vitest";
import { createProgram } from "./program.ts";
import type { ProgramDeps } from "./program.ts";
import { buildJobView, buildMemberView, buildNodeRow, buildQuota } from "./testing/builders.ts";
import { captureOutput } from "./testing/captured-output.ts";
import { startScriptedCoop } from "./testing/scripted-coop.ts";

const HOME = "/nonexistent/coop";

async function run(args: readonly string[], changes: Partial<ProgramDeps> = {}): Promise<string> {
  const output = captureOutput();
  let usage = "";
  const program = createProgram({
    environment: { COOP_HOME: HOME },
    platform: "linux",
    userHome: "/home/x",
    output,
    readInput: () => Promise.resolve("piped in"),
    ask: null,
    signal: new AbortController().signal,
    screen: null,
    ...changes,
  });
  for (const command of [
    program,
    ...program.commands,
    ...program.commands.flatMap(({ commands }) => commands),
  ]) {
    command.exitOverride().configureOutput({
      writeOut: (text) => (usage += text),
      writeErr: (text) => (usage += text),
    });
  }
  const failure = await program.parseAsync(["node", "coop", ...args]).then(
    () => "",
    (error: unknown) => String(error),
  );
  return output.stdout() + usage + failure;
}

describe("coop", () => {
  it("tells in its help what it does, with examples", async () => {
    const help = await run(["--help"]);
    for (const command of [
      "up",
      "ask",
      "submit",
      "jobs",
      "explain",
      "nodes",
      "invite-node",
      "cancel",
      "quota",
      "members",
      "keys",
      "ledger",
      "demo",
    ]) {
      expect(help).toMatch(new RegExp(`^  ${command}\\b`, "m"));
    }
    expect(help).toContain(HOME);
    expect(await run(["ask", "--help"])).toMatch(/Examples:/);
  });

  it.each<[string, string[], ProgramDeps["environment"], RegExp]>([
    ["a privacy that is none", ["ask", "x", "--privacy", "mine"], {}, /Allowed choices are own, coop, any/],
    ["a limit that is no number", ["jobs", "--limit", "many"], {}, /whole number/],
    ["a port that is none", ["up", "--port", "70700"], {}, /port from 1 to 65535/],
    ["a speed of nothing", ["up", "--speedup", "0"], {}, /above 0/],
    ["an address without a port", ["up"], { COOP_LISTEN: "7070" }, /COOP_LISTEN must be HOST:PORT/],
    ["a server that is no URL", ["nodes"], { COOP_URL: "coop.example" }, /COOP_URL must be an http\(s\) URL/],
    [
      "a quota in words",
      ["members", "set", "maja", "--quota", "much"],
      {},
      /whole number of tokens .*, share or unlimited/,
    ],
    ["a quota below nothing", ["members", "add", "maja", "--quota", "-5"], {}, /whole number of tokens/],
    [
      "a tier's quota without a tier",
      ["members", "set", "maja", "--tier-quota", "5"],
      {},
      /local-large=none/,
    ],
    ["no job at once", ["members", "set", "maja", "--jobs-at-once", "0"], {}, /whole number from 1/],
    ["a weight of nothing", ["members", "set", "maja", "--weight", "0"], {}, /above 0/],
    ["a grant of nothing", ["quota", "grant", "maja", "0"], {}, /below zero takes back/],
    ["a command that is none", ["unite"], {}, /unknown command/],
    ["a question of nothing", ["ask"], {}, /missing required argument/],
  ])("objects to %s", async (_, args, environment, message) => {
    expect(await run(args, { environment })).toMatch(message);
  });

  it("asks the server that COOP_URL names with the key of COOP_API_KEY, pipe included", async () => {
    await using coop = await startScriptedCoop((route) =>
      route.startsWith("POST")
        ? {
            status: 200,
            text: 'data: {"choices":[]}\n\ndata: [DONE]\n\n',
            headers: { "x-coop-job": "job_1" },
          }
        : {
            status: 200,
            json: route.includes("nodes")
              ? { object: "list", data: [buildNodeRow()], snapshotAtMs: 1 }
              : buildJobView(),
          },
    );
    const environment = { COOP_HOME: HOME, COOP_URL: `${coop.url}/`, COOP_API_KEY: "coop_x" };
    await run(["ask", "Sum", "this up:", "-"], { environment });
    const [request] = coop.requests;
    expect(request).toMatchObject({
      path: "/v1/chat/completions",
      headers: { authorization: "Bearer coop_x" },
    });
    expect(JSON.parse(request?.body ?? "")).toMatchObject({
      model: "coop/auto",
      messages: [{ role: "user", content: "Sum this up: \n\npiped in" }],
    });
  });

  it("sets each limit that its options name", async () => {
    await using coop = await startScriptedCoop(() => ({
      status: 200,
      json: { ...buildMemberView(), quota: buildQuota() },
    }));
    const environment = { COOP_HOME: HOME, COOP_URL: coop.url, COOP_API_KEY: "coop_x" };
    const tiers = [
      "--tier-quota",
      "local-large=5",
      "--tier-quota",
      "edge=none",
      "--tier-quota",
      "local-small=default",
    ];
    const rest = [
      "--jobs-at-once",
      "default",
      "--requests-per-minute",
      "9",
      "--weight",
      "1.5",
      "--tier",
      "edge",
    ];
    await run(["members", "set", "maja", "--quota", "share", ...tiers, ...rest], { environment });
    expect(coop.requests).toHaveLength(1);
    expect(JSON.parse(coop.requests[0]?.body ?? "")).toEqual({
      limits: {
        tokensPerMonth: { kind: "default" },
        tierTokensPerMonth: { "local-large": 5, edge: null, "local-small": "default" },
        jobsAtOnce: null,
        requestsPerMinute: 9,
      },
      weight: 1.5,
      defaultTier: "edge",
    });
  });

  it("shows the quota when quota stands alone, and takes credit back behind --", async () => {
    await using coop = await startScriptedCoop((route) =>
      route.startsWith("GET")
        ? { status: 200, json: buildQuota() }
        : {
            status: 201,
            json: {
              object: "coop.grant",
              member: "mem_maja",
              memberName: "maja",
              month: "2026-03",
              tokens: -5,
              repeated: false,
              creditTokens: 0,
            },
          },
    );
    const environment = { COOP_HOME: HOME, COOP_URL: coop.url, COOP_API_KEY: "coop_x" };
    expect(JSON.parse(await run(["quota", "--json"], { environment }))).toEqual(buildQuota());
    expect(await run(["quota", "grant", "maja", "--", "-5"], { environment })).toContain("taken back");
    expect(coop.requests.map(({ path }) => path)).toEqual(["/v1/quota", "/admin/members/maja/grants"]);
  });
});
