import { describe, expect, it } from "vitest";
import { createProgram } from "./program.ts";
import type { ProgramDeps } from "./program.ts";
import { buildJobView, buildNodeRow } from "./testing/builders.ts";
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
});
