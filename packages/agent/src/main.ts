import { enableCompileCache, flushCompileCache } from "node:module";
import { setFlagsFromString } from "node:v8";
import { Command } from "commander";
import { agentHome } from "./home-directory.ts";
import type { BudgetFlags } from "./commands/budget.ts";
import type { ServiceOptions } from "./commands/install.ts";
import type { CommandDeps } from "./commands/one-look.ts";
import type { ConfigFlags } from "./config.ts";
import { AGENT_VERSION } from "./version.ts";

// An agent rests most of its life, on machines whose memory is wanted for models. What it keeps young need not
// grow to the size that a busy server's does; its modules come stripped and compiled from a cache after the first
// start; and nothing is compiled any further before there is work. All of it is set before the rest is loaded, hence
// the imports where they are used.
setFlagsFromString("--semi-space-growth-factor=1");
const FURTHER_COMPILERS = ["sparkplug", "maglev", "opt"] as const;
const compileFurther = (wanted: boolean): void => {
  for (const compiler of FURTHER_COMPILERS) setFlagsFromString(`--${wanted ? "" : "no-"}${compiler}`);
};
compileFurther(false);
enableCompileCache();

/** From a connection on, until what starting took is done with, ms. */
const STARTED_AFTER_MS = 3_000;

/** What `agent status` exits with when no agent runs, as service tools do. */
const NOT_RUNNING = 3;

const home = agentHome(process.env, process.platform);
const say = (line: string): void => void process.stdout.write(`${line}\n`);

type StartFlags = ConfigFlags & { readonly join?: string; readonly verbose?: boolean };

async function startAgent({ join, verbose, ...flags }: StartFlags): Promise<void> {
  const deps = await commandDeps(flags, verbose === true ? "debug" : "info");
  const { start } = await import("./commands/start.ts");
  const { giveMemoryBack } = await import("./garbage.ts");
  const stop = stopOnSignals();
  flushCompileCache();
  let tidying: NodeJS.Timeout | undefined;
  await start({
    ...deps,
    joinToken: join ?? null,
    stop,
    random: { next: Math.random },
    onConnected: () => (tidying ??= setTimeout(giveMemoryBack, STARTED_AFTER_MS).unref()),
    onFirstWork() {
      clearTimeout(tidying);
      compileFurther(true);
    },
  });
}

/** What every command that meets the engine works with. */
async function commandDeps(flags: ConfigFlags, level: "debug" | "info" | "warn"): Promise<CommandDeps> {
  const { readConfig } = await import("./config.ts");
  const { createPlainLog } = await import("./plain-log.ts");
  const { createSystemTiming } = await import("./timing.ts");
  const timing = createSystemTiming();
  const log = createPlainLog(level, timing.now, (line) => process.stderr.write(`${line}\n`));
  return { config: await readConfig(home, flags, process.env), timing, log, say };
}

/** What the commands for the owner's settings work with. */
const ownerDeps = () => ({ home, nowMs: Date.now(), say });

async function tellBudget(flags: BudgetFlags): Promise<void> {
  const { budget } = await import("./commands/budget.ts");
  await budget(ownerDeps(), flags);
}

async function tellHours(words: readonly string[], { json }: { readonly json?: boolean }): Promise<void> {
  const { hours } = await import("./commands/hours.ts");
  await hours(ownerDeps(), words, json === true);
}

async function allow(patterns: readonly string[]): Promise<void> {
  const { allowModels } = await import("./commands/allow.ts");
  await allowModels(ownerDeps(), patterns);
}

async function forbid(patterns: readonly string[]): Promise<void> {
  const { forbidModels } = await import("./commands/allow.ts");
  await forbidModels(ownerDeps(), patterns);
}

async function pauseAgent(flags: { readonly for?: string }): Promise<void> {
  const { pause } = await import("./commands/pause.ts");
  await pause(ownerDeps(), flags.for);
}

async function resumeAgent(): Promise<void> {
  const { resume } = await import("./commands/pause.ts");
  await resume(ownerDeps());
}

type LookFlags = ConfigFlags & { readonly json?: boolean };

async function fits(model: string, { json, ...flags }: LookFlags): Promise<void> {
  const { tellWhetherFits } = await import("./commands/fits.ts");
  process.exitCode = await tellWhetherFits(await commandDeps(flags, "warn"), model, json === true);
}

async function models({ json, ...flags }: LookFlags): Promise<void> {
  const { tellModels } = await import("./commands/models.ts");
  await tellModels(await commandDeps(flags, "warn"), json === true);
}

async function bench(model: string | undefined, { json, ...flags }: LookFlags): Promise<void> {
  const { bench: run } = await import("./commands/bench.ts");
  const progress = (line: string): void => void process.stderr.write(`${line}\n`);
  const stop = new AbortController();
  process.once("SIGINT", () => stop.abort());
  const options = { model: model ?? null, json: json === true, progress, signal: stop.signal };
  await run(await commandDeps(flags, "warn"), options);
}

/** The first signal lets what runs finish, the second stops it, a third ends the program where it stands. */
function stopOnSignals(): { readonly drain: AbortSignal; readonly abort: AbortSignal } {
  const drain = new AbortController();
  const abort = new AbortController();
  const onSignal = (): void => {
    if (abort.signal.aborted) process.exit(130);
    if (drain.signal.aborted) {
      abort.abort();
      return;
    }
    say("agent stops: finishing what runs and taking nothing new; once more to stop at once");
    drain.abort();
  };
  process.on("SIGTERM", onSignal);
  process.on("SIGINT", onSignal);
  return { drain: drain.signal, abort: abort.signal };
}

/** What the commands for the machine's service work with. */
async function serviceOptions(flags: ConfigFlags): Promise<ServiceOptions> {
  const { userInfo } = await import("node:os");
  const { runTool } = await import("./service/run-tool.ts");
  const { uid: userId, username: userName, homedir: userHome } = userInfo();
  const stop = new AbortController();
  process.once("SIGINT", () => stop.abort());
  return {
    ...(await commandDeps(flags, "warn")),
    host: { platform: process.platform, userId, userName, userHome, environment: process.env, run: runTool },
    main: process.argv[1] ?? "",
    signal: stop.signal,
  };
}

async function installAgent({ join, ...flags }: StartFlags): Promise<void> {
  const { install } = await import("./commands/install.ts");
  await install({ ...(await serviceOptions(flags)), joinToken: join ?? null });
}

async function uninstallAgent(): Promise<void> {
  const { uninstall } = await import("./commands/install.ts");
  await uninstall(await serviceOptions({}));
}

async function moveAgent(address: string, flags: ConfigFlags): Promise<void> {
  const { move } = await import("./commands/move.ts");
  await move(await serviceOptions(flags), address);
}

async function updateAgent(): Promise<void> {
  const { update } = await import("./commands/update.ts");
  await update(await serviceOptions({}));
}

async function examine({ json, ...flags }: LookFlags): Promise<void> {
  const { doctor } = await import("./commands/doctor.ts");
  const serves = await doctor(await commandDeps(flags, "warn"), json === true);
  if (!serves) process.exitCode = 1;
}

async function showStatus({ json }: { readonly json?: boolean }): Promise<void> {
  const { tellStatus } = await import("./commands/status.ts");
  const running = await tellStatus({ home, json: json === true, nowMs: Date.now(), say });
  if (!running) process.exitCode = NOT_RUNNING;
}

const program = new Command("agent")
  .description("Serves this machine's models to a co-op, and keeps its owner in charge.")
  .version(AGENT_VERSION)
  .addHelpText(
    "after",
    `
Examples:
  agent start --join coopjoin_...      join a co-op and serve; later just: agent start
  agent start --slots 2 --memory 24 --context 16384
  agent start --engine http://127.0.0.1:11500
  agent status --json
  agent models                         what each model can do here, and how it is
  agent fits qwen3:32b && ollama run qwen3:32b
  agent bench llama3.2:3b              measure it, and have the agent report it
  agent budget --day 500k --month 10M  never serve more tokens than that
  agent hours mon-fri 18:00-08:00, sat-sun all
  agent pause --for 2h                 take nothing new for a while
  agent install --join coopjoin_...    join, and have the machine keep the agent running
  agent doctor                         what is wrong here, and what to do about it

Settings come from the command line, else the environment (COOP_AGENT_NAME, OLLAMA_HOST, COOP_AGENT_SLOTS,
COOP_AGENT_MEMORY_GIB, COOP_AGENT_CONTEXT, COOP_AGENT_ALLOW_PLAINTEXT, COOP_AGENT_FREE_MEMORY_GIB,
COOP_AGENT_PIN), else agent.yaml in
${home} (COOP_AGENT_HOME moves it).
A running agent takes over within seconds what you change in agent.yaml, by hand or with \`agent budget\`,
\`agent hours\` and \`agent models allow|forbid\`.`,
  );

program
  .command("start")
  .description("serve until stopped; the first time with a join token")
  .option("--join <token>", "join token from whoever runs the co-op (serves once)")
  .option("--name <name>", "what to call this node when it joins (default: the machine's name)")
  .option("--engine <url>", "where Ollama answers (default: http://127.0.0.1:11434)")
  .option("--slots <n>", "most generations at once (default: what the engine runs well)")
  .option("--memory <amount>", "most memory for models, GiB or a share such as 50% (default: 70%)")
  .option("--context <n>", "longest context of a generation, tokens")
  .option(
    "--free-memory <amount>",
    "memory to keep free by unloading idle models, GiB or a share (default: 10%)",
  )
  .option("--pin <models>", "models that are never unloaded for it, with commas between")
  .option("--allow-plaintext", "connect without TLS to a server on a network that is private itself")
  .option("--verbose", "log more")
  .action(startAgent);

program
  .command("status")
  .description("tell how the agent on this machine is; exits with 3 when none runs")
  .option("--json", "as JSON")
  .action(showStatus);

const engineOption = ["--engine <url>", "where Ollama answers (default: http://127.0.0.1:11434)"] as const;

const modelsCommand = program
  .command("models")
  .description("tell what this machine's models can do: tier, context, speed, memory, health")
  .option(...engineOption)
  .option("--json", "as JSON")
  .action(models);

modelsCommand
  .command("allow")
  .description("let the co-op use these models only, or all; what is forbidden stays so")
  .argument("<models...>", "names or patterns with * (in quotes, for the shell), or all")
  .addHelpText("after", "\nExamples:\n  agent models allow llama3.2:3b 'qwen3:*'\n  agent models allow all")
  .action(allow);

modelsCommand
  .command("forbid")
  .description("keep these models from the co-op, or none")
  .argument("<models...>", "names or patterns with * (in quotes, for the shell), or none")
  .addHelpText("after", "\nExamples:\n  agent models forbid '*:cloud'\n  agent models forbid none")
  .action(forbid);

program
  .command("budget")
  .description("set the most tokens, of prompts and outputs, to serve; then tell limit, use and what is left")
  .option("--day <tokens>", "for each day: a number (500000, 500k, 2M), auto or none")
  .option("--month <tokens>", "for each month, likewise")
  .option("--share <share>", "for auto: how much of what the machine can make, such as 0.5")
  .option("--json", "as JSON")
  .addHelpText(
    "after",
    `
Days and months are the co-op's. What attempts used that came to nothing counts too, and so does what is set aside
for those that run. auto is what the machine makes, as measured, in its serving hours, times the share. A limit below
what is spent already takes effect at once.

Examples:
  agent budget                         what is used and left
  agent budget --day 500k --month 10M
  agent budget --day auto --share 0.5
  agent budget --day none`,
  )
  .action(tellBudget);

program
  .command("hours")
  .description("set when this machine serves, by its own clock; without hours, tell them")
  .argument("[hours...]", "always, or days and times with commas between")
  .option("--json", "as JSON")
  .addHelpText(
    "after",
    `
Days are mon tue wed thu fri sat sun; without days a time holds every day, and without a time (or with all) the
whole day. A time that ends before it begins ends on the next day. What runs when the hours end is finished.

Examples:
  agent hours mon-fri 18:00-08:00, sat-sun all
  agent hours 22:00-06:00
  agent hours always`,
  )
  .action(tellHours);

program
  .command("pause")
  .description("take nothing new and finish what runs; holds over restarts of the agent and the machine")
  .option("--for <time>", "for so long, such as 30m, 2h or 1d (default: until agent resume)")
  .action(pauseAgent);

program.command("resume").description("end a pause").action(resumeAgent);

program
  .command("fits")
  .description(
    "tell whether a model fits into memory now: exits with 0 if so, 1 if not, 2 when that is unknown",
  )
  .argument("<model>", "its name, as in `ollama list`")
  .option(...engineOption)
  .option("--slots <n>", "most generations at once")
  .option("--memory <gib>", "most memory for models, GiB")
  .option("--context <n>", "longest context of a generation, tokens")
  .option("--free-memory <gib>", "memory that is to stay free, GiB")
  .option("--pin <models>", "models that must stay, with commas between")
  .option("--json", "as JSON")
  .action(fits);

program
  .command("bench")
  .description("measure models on the engine: output, prompt, several at once, load; the agent reports it")
  .argument("[model]", "its name (default: every model that generates text here)")
  .option(...engineOption)
  .option("--slots <n>", "most generations at once")
  .option("--context <n>", "longest context of a generation, tokens")
  .option("--json", "as JSON")
  .action(bench);

program
  .command("install")
  .description("have this machine keep the agent running (systemd, launchd); again: with what it is now")
  .option("--join <token>", "join token from whoever runs the co-op (serves once)")
  .option("--name <name>", "what to call this node when it joins (default: the machine's name)")
  .option("--allow-plaintext", "connect without TLS to a server on a network that is private itself")
  .addHelpText(
    "after",
    "\nExamples:\n  agent install --join coopjoin_...\n  sudo agent install     for the whole machine, where systemd runs it",
  )
  .action(installAgent);

program
  .command("uninstall")
  .description("have this machine keep the agent running no longer; settings and identity stay")
  .action(uninstallAgent);

program
  .command("update")
  .description("replace this agent by the one that its server hands out")
  .action(updateAgent);

program
  .command("move")
  .description(
    "tell this agent where its server is now; whoever answers there has to prove to be that server",
  )
  .argument("<address>", "its new address, such as https://coop.example")
  .option("--allow-plaintext", "connect without TLS to a server on a network that is private itself")
  .addHelpText("after", "\nExample:\n  agent move https://coop.example")
  .action(moveAgent);

program
  .command("doctor")
  .description(
    "look at Node, engine, slots, memory, clock, server; say what to do. Exits with 1 when it cannot serve",
  )
  .option(...engineOption)
  .option("--json", "as JSON")
  .action(examine);

try {
  await program.parseAsync();
} catch (error) {
  const { OperationalError } = await import("@coop/core");
  if (!(error instanceof OperationalError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
}
