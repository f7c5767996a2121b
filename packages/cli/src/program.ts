import { Command, Option } from "commander";
import { CliError } from "./cli-error.ts";
import { jsonOption, portNumber, privacyOption, speed, wholeNumber } from "./command-options.ts";
import type { JsonFlag } from "./command-options.ts";
import { addAudit } from "./audit-commands.ts";
import { ask } from "./commands/ask.ts";
import { contextOf, DEFAULT_LISTEN } from "./commands/context.ts";
import { explainJob } from "./commands/explain.ts";
import type { Ask } from "./commands/erase-member.ts";
import { cancelJob, listJobs } from "./commands/jobs.ts";
import { watchJobs } from "./commands/watch-jobs.ts";
import { up } from "./coop-up/up.ts";
import { runDemo } from "./demo/demo.ts";
import { coopHome } from "./home.ts";
import type { Environment } from "./home.ts";
import { addBackup } from "./backup-commands.ts";
import { addLedger } from "./ledger-commands.ts";
import { addNodes } from "./node-commands.ts";
import { addQuota } from "./quota-commands.ts";
import { addKeys, addMembers } from "./membership-commands.ts";
import { addSettings } from "./settings-commands.ts";
import { addSubmit } from "./submit/submit-command.ts";
import type { Output } from "./output.ts";
import { addReports } from "./report-commands.ts";
import type { Screen } from "./screen.ts";
import { addWhatIf } from "./what-if-commands.ts";

export interface ProgramDeps {
  readonly environment: Environment;
  readonly platform: string;
  readonly userHome: string;
  readonly output: Output;
  /** Asks whoever sits at the terminal; null where nobody does. */
  readonly ask: Ask;
  /** Everything that was piped in. */
  readonly readInput: () => Promise<string>;
  /** Aborts when the user wants the command to end. */
  readonly signal: AbortSignal;
  /** Null where output is no terminal. */
  readonly screen: Screen | null;
}

const DEFAULT_OLLAMA = "http://127.0.0.1:11434";
const MOST_LISTED = 200;

/** The command `coop` with all its commands. */
export function createProgram(deps: ProgramDeps): Command {
  const home = coopHome(deps.environment, deps.platform, deps.userHome);
  const program = new Command("coop")
    .description("A co-op of people pools the machines they own to run language models.")
    .addHelpText(
      "after",
      `
Examples:
  coop up                                    bring a co-op up on this machine
  coop ask "Why is the sky blue?"            ask it
  git diff | coop ask "Write a commit message:" - --model coop/local-small
  coop submit batch.jsonl                    run a file of requests, answers in batch.results.jsonl
  coop jobs, then coop explain job_...       see where a job ran, and why
  coop invite-node --member maja             let maja's machine join

In this repository: npm run coop -- COMMAND. COOP_URL says where the co-op is (default http://${DEFAULT_LISTEN}).
The key is COOP_API_KEY, else the operator's in ${home} (COOP_HOME moves it).`,
    );
  addUp(program, deps, home);
  addAsk(program, deps, home);
  addSubmit(program, { ...deps, home });
  addJobs(program, deps, home);
  addNodes(program, { ...deps, home });
  addQuota(program, { ...deps, home });
  addMembers(program, { ...deps, home });
  addKeys(program, { ...deps, home });
  addReports(program, { ...deps, home });
  addLedger(program, { ...deps, home });
  addBackup(program, { ...deps, home });
  addAudit(program, { ...deps, home });
  addSettings(program, { ...deps, home });
  addWhatIf(program, { ...deps, home });
  return program;
}

/** HOST:PORT, of which `--port` replaces the port. */
function listenPlace(environment: Environment, port: number | undefined): { host: string; port: number } {
  const text = environment["COOP_LISTEN"] ?? DEFAULT_LISTEN;
  const [, host, given] = /^(.+):(\d{1,5})$/.exec(text) ?? [];
  if (host === undefined || given === undefined) {
    throw new CliError(
      "bad-option",
      `COOP_LISTEN must be HOST:PORT, such as ${DEFAULT_LISTEN}, not "${text}".`,
    );
  }
  return { host: host.replace(/^\[(.*)\]$/, "$1"), port: port ?? Number(given) };
}

interface UpFlags {
  readonly port?: number;
  readonly simulated?: true;
  readonly speedup: number;
  readonly ollama: string;
}

function addUp(program: Command, deps: ProgramDeps, home: string): void {
  const { environment, output, signal } = deps;
  program
    .command("up")
    .description("bring a co-op up on this machine and keep it up: server, machines, agents")
    .option("--port <port>", "port to listen on (default: 7070, or COOP_LISTEN's)", portNumber)
    .option("--simulated", "simulate three machines even where an Ollama answers")
    .option("--speedup <times>", "how much faster simulated machines are than real ones", speed, 1)
    .option("--ollama <url>", "where to look for an Ollama", DEFAULT_OLLAMA)
    .addHelpText("after", "\nExamples:\n  coop up\n  coop up --simulated --speedup 20 --port 7171")
    .action(async (flags: UpFlags) => {
      const place = listenPlace(environment, flags.port);
      const { speedup, ollama } = flags;
      const simulated = flags.simulated === true;
      await up({
        home,
        ...place,
        simulated,
        speedup,
        ollamaUrl: ollama.replace(/\/+$/, ""),
        environment,
        output,
        signal,
      });
    });
  program
    .command("demo")
    .description("show a co-op at work: its own server, three simulated machines, three members, their jobs")
    .option("--speedup <times>", "how much faster the simulated machines are than real ones", speed, 20)
    .option(
      "--statements <folder>",
      "where to save the members' statements (default: a new temporary folder)",
    )
    .action(({ speedup, statements }: { readonly speedup: number; readonly statements?: string }) =>
      runDemo({ speedup, statements: statements ?? null, environment, output, signal }),
    );
}

interface AskFlags {
  readonly model: string;
  readonly privacy?: string;
  readonly maxTokens?: number;
  readonly json?: true;
}

function addAsk(program: Command, deps: ProgramDeps, home: string): void {
  program
    .command("ask")
    .description("ask, and read the answer as it is written")
    .argument("<prompt...>", "what to ask; a lone - stands for what is piped in")
    .option(
      "--model <name>",
      "a model's name, or the least tier: coop/edge, coop/local-small, coop/local-large",
      "coop/auto",
    )
    .addOption(privacyOption())
    .option("--max-tokens <n>", "longest answer", wholeNumber)
    .addOption(jsonOption())
    .addHelpText(
      "after",
      `
Examples:
  coop ask "Explain DNS to a ten-year-old"
  git diff | coop ask "Review this:" - --model coop/local-large
  coop ask "Help me answer my landlord" --privacy own`,
    )
    .action(async (words: readonly string[], flags: AskFlags) => {
      const parts = words.includes("-") ? await withInput(words, deps.readInput) : words;
      await ask(await contextOf({ ...deps, home }, flags.json === true), {
        prompt: parts.join(" "),
        model: flags.model,
        privacy: flags.privacy ?? null,
        maxTokens: flags.maxTokens ?? null,
      });
    });
}

async function withInput(
  words: readonly string[],
  readInput: () => Promise<string>,
): Promise<readonly string[]> {
  const input = await readInput();
  return words.map((word) => (word === "-" ? `\n\n${input}` : word));
}

interface JobsFlags extends JsonFlag {
  readonly all?: true;
  readonly limit: number;
  readonly watch?: true;
}

function addJobs(program: Command, deps: ProgramDeps, home: string): void {
  program
    .command("jobs")
    .description("list your jobs, newest first")
    .option("--all", "every member's (operators only)")
    .addOption(
      new Option("--limit <n>", `most jobs, up to ${MOST_LISTED}`)
        .argParser((text) => Math.min(wholeNumber(text), MOST_LISTED))
        .default(20),
    )
    .option("--watch", "go on until Ctrl-C; a line for each change where output is no terminal")
    .addOption(jsonOption())
    .addHelpText("after", "\nExamples:\n  coop jobs --limit 5 --json\n  coop jobs --watch")
    .action(async ({ all, limit, watch, json }: JobsFlags) => {
      const context = await contextOf({ ...deps, home }, json === true);
      const options = { all: all === true, limit };
      if (watch === true) await watchJobs({ ...context, screen: deps.screen, signal: deps.signal }, options);
      else await listJobs(context, options);
    });
  program
    .command("explain")
    .description("tell why a job runs where it runs, or why it waits")
    .argument("<job>", "the job's id")
    .addOption(jsonOption())
    .addHelpText("after", "\nExample:\n  coop explain job_01k...   (coop jobs lists them)")
    .action(async (job: string, { json }: JsonFlag) =>
      explainJob(await contextOf({ ...deps, home }, json === true), job),
    );
  program
    .command("cancel")
    .description("cancel a job")
    .argument("<job>", "the job's id")
    .addOption(jsonOption())
    .addHelpText("after", "\nExample:\n  coop cancel job_01k...")
    .action(async (job: string, { json }: JsonFlag) =>
      cancelJob(await contextOf({ ...deps, home }, json === true), job),
    );
}
