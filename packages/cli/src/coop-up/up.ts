import { hostname } from "node:os";
import { join } from "node:path";
import type { Environment } from "../home.ts";
import { operatorKeyPath } from "../home.ts";
import { hintsFor } from "../invocation.ts";
import type { Output } from "../output.ts";
import { createLauncher } from "./launcher.ts";
import type { AgentOptions } from "./launcher.ts";
import { findOllama } from "./local-ollama.ts";

export interface UpOptions {
  readonly home: string;
  readonly host: string;
  readonly port: number;
  /** Simulated machines even where an Ollama answers. */
  readonly simulated: boolean;
  /** How many of a simulated machine's seconds pass in one of ours. */
  readonly speedup: number;
  /** Where to look for an Ollama. */
  readonly ollamaUrl: string;
  readonly environment: Environment;
  readonly output: Output;
  /** Ends the co-op. */
  readonly signal: AbortSignal;
}

/** Brings a whole co-op up on this machine and keeps it up until the signal; then nothing of it runs any more. */
export async function up(options: UpOptions): Promise<void> {
  const { home, output, signal } = options;
  const say = (line: string): void => output.line(line);
  const launcher = createLauncher({ ...options, say });
  try {
    say(`starting the server; everything it keeps is in ${home}`);
    const client = await launcher.startServer();
    say(`the server answers at ${client.url}`);
    const engines = await findEngines(options, () => launcher.startMachines(options.speedup));
    const names = engines.agents.map(({ name }) => name);
    say(`starting ${names.length === 1 ? "the agent" : "the agents"} of ${names.join(", ")}`);
    await launcher.startAgents(client, engines.agents);
    for (const line of welcome(client.url, operatorKeyPath(home), names, engines.about, options)) say(line);
    await aborted(signal);
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    if (signal.aborted) say("stopping: agents, machines, server");
    await launcher.stop();
    if (signal.aborted) say("stopped");
  }
}

interface Engines {
  readonly agents: readonly AgentOptions[];
  /** What the machines are, for the summary. */
  readonly about: string;
}

async function findEngines(
  { simulated, ollamaUrl, speedup, output, signal }: UpOptions,
  startMachines: () => Promise<readonly { readonly name: string; readonly url: string }[]>,
): Promise<Engines> {
  if (!simulated) {
    const ollama = await findOllama(ollamaUrl, signal);
    if (ollama.kind === "present") {
      const name = hostname().split(".")[0] ?? "node";
      const about =
        ollama.models.length === 0
          ? `Ollama ${ollama.version}, which has no model yet: ollama pull llama3.2:3b`
          : `Ollama ${ollama.version} with ${ollama.models.join(", ")}`;
      return { agents: [{ name, engineUrl: ollamaUrl, owner: null }], about };
    }
    output.line(`no Ollama answers at ${ollamaUrl}, so three machines are simulated`);
  }
  const machines = await startMachines();
  const pace = speedup === 1 ? "" : `, ${speedup} times as fast as the real ones`;
  return {
    agents: machines.map(({ name, url }) => ({ name, engineUrl: url, owner: null })),
    about: `SIMULATED: answers are made up${pace}`,
  };
}

function welcome(
  url: string,
  keyPath: string,
  names: readonly string[],
  about: string,
  { home, environment }: UpOptions,
): string[] {
  const hint = hintsFor(environment);
  const usual = url === "http://127.0.0.1:7070" ? "" : `COOP_URL=${url} `;
  return [
    "",
    `Your co-op is up at ${url}`,
    `  machines   ${names.join(", ")}`,
    `             ${about}`,
    `  page       open ${url} in a browser, and sign in with your key`,
    `  your key   ${keyPath}`,
    `  try it     ${usual}${hint('ask "Why is the sky blue?"')}`,
    `             curl ${url}/v1/chat/completions -H "Authorization: Bearer $(cat '${keyPath}')" \\`,
    `               -d '{"model": "coop/edge", "messages": [{"role": "user", "content": "Hello!"}]}'`,
    `  look       ${usual}${hint("nodes")}`,
    `  invite     ${usual}${hint("invite-node")}     a machine, of yours or of another member`,
    `  settings   ${environment["COOP_SETTINGS"] ?? join(home, "coop.yaml")}`,
    `  logs       ${home}/logs`,
    `  stop       Ctrl-C`,
    "",
  ];
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
