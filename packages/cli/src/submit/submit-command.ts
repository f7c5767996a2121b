import { basename, dirname, join } from "node:path";
import { Option } from "commander";
import type { Command } from "commander";
import { duration, jsonOption, privacyOption, wholeNumber } from "../command-options.ts";
import type { JsonFlag } from "../command-options.ts";
import { contextOf } from "../commands/context.ts";
import type { ContextDeps } from "../commands/context.ts";
import { hintsFor, shellWord, userPath } from "../invocation.ts";
import type { Screen } from "../screen.ts";
import { submitBatch } from "./submit.ts";

interface SubmitFlags extends JsonFlag {
  readonly out?: string;
  readonly model?: string;
  readonly privacy?: string;
  readonly deadline?: number;
  readonly concurrency: number;
  readonly again?: true;
}

const DEFAULT_CONCURRENCY = 32;
const MOST_CONCURRENCY = 1_000;

/** `coop submit`. */
export function addSubmit(program: Command, deps: ContextDeps & { readonly screen: Screen | null }): void {
  program
    .command("submit")
    .description("run a file of requests as jobs, and go on where it stopped when called again")
    .argument("<file>", "lines in the shape of OpenAI's batch input: custom_id, method, url, body")
    .option("--out <file>", "where the results go, in the file's order (default: FILE.results.jsonl)")
    .option("--model <name>", "in place of each line's model: a model's name, or the least tier")
    .addOption(privacyOption())
    .option(
      "--deadline <time>",
      "each job's longest time from its submission, such as 2h (default: a day)",
      duration,
    )
    .addOption(
      new Option("--concurrency <n>", `most jobs at once, up to ${MOST_CONCURRENCY}`)
        .argParser((text) => Math.min(wholeNumber(text), MOST_CONCURRENCY))
        .default(DEFAULT_CONCURRENCY),
    )
    .option("--again", "run the file anew, and replace its results")
    .addOption(jsonOption())
    .addHelpText("after", HELP)
    .action(async (file: string, flags: SubmitFlags) => {
      const results = flags.out ?? resultsName(file);
      const { environment, signal, screen } = deps;
      await submitBatch(
        { ...(await contextOf(deps, flags.json === true)), signal, screen },
        {
          place: {
            names: { file, results },
            file: userPath(environment, file),
            results: userPath(environment, results),
          },
          options: {
            model: flags.model ?? null,
            privacy: flags.privacy ?? null,
            deadlineSeconds: flags.deadline ?? null,
          },
          concurrency: flags.concurrency,
          again: flags.again === true,
          resumeCommand: hintsFor(environment)(resumeWords(file, flags).map(shellWord).join(" ")),
        },
      );
    });
}

const HELP = `
A line:
  {"custom_id":"1","method":"POST","url":"/v1/embeddings","body":{"model":"nomic-embed-text","input":"Hello!"}}
/v1/chat/completions serves as well. The whole file is checked before anything runs. Jobs run on when this command
stops, even by kill -9; call it again with the same options to go on. Each line is one job, however often.

Exits with 0 when all lines succeeded, 1 when some failed, 2 when the file is wrong.

Examples:
  coop submit tickets.jsonl
  coop submit tickets.jsonl --model coop/local-small --privacy own --out answers.jsonl
  coop submit tickets.jsonl --json > summary.json`;

/** `batch.jsonl` becomes `batch.results.jsonl`, beside it. */
const resultsName = (file: string): string =>
  join(dirname(file), `${basename(file).replace(/\.jsonl$/i, "")}.results.jsonl`);

function resumeWords(
  file: string,
  { out, model, privacy, deadline, concurrency }: SubmitFlags,
): readonly string[] {
  const option = (name: string, value: string | undefined): readonly string[] =>
    value === undefined ? [] : [`--${name}`, value];
  return [
    "submit",
    file,
    ...option("out", out),
    ...option("model", model),
    ...option("privacy", privacy),
    ...option("deadline", deadline === undefined ? undefined : `${deadline}s`),
    ...option("concurrency", concurrency === DEFAULT_CONCURRENCY ? undefined : String(concurrency)),
  ];
}
