import { InvalidArgumentError } from "commander";
import type { Command } from "commander";
import type { ReplayRequest } from "@coop/protocol";
import { CliError } from "./cli-error.ts";
import { jsonOption, wholeNumber } from "./command-options.ts";
import type { JsonFlag } from "./command-options.ts";
import { contextOf } from "./commands/context.ts";
import type { ContextDeps } from "./commands/context.ts";
import { whatIf } from "./commands/what-if.ts";
import { runReplay } from "./replay-program.ts";

type Added = ReplayRequest["add"][number];

interface WhatIfFlags extends JsonFlag {
  readonly without: readonly string[];
  readonly add: readonly Added[];
  readonly days: number;
}

const MOST_ADDED = 1_000;

function addedMachines(text: string): Added {
  const [, profile, amount = "1"] = /^([a-z0-9-]+)(?::(\d{1,4}))?$/.exec(text) ?? [];
  const machines = Number(amount);
  if (profile !== undefined && machines >= 1 && machines <= MOST_ADDED) return { profile, count: machines };
  throw new InvalidArgumentError(
    "It must be a machine of the catalogue and how many, such as raspberry-pi-5:4.",
  );
}

/** `coop whatif`. */
export function addWhatIf(program: Command, deps: ContextDeps): void {
  program
    .command("whatif")
    .description("serve the last days again on other machines, in a simulation (operators only)")
    .option(
      "--without <machine>",
      "leave a machine out, by name or profile; again for more",
      (name: string, before: readonly string[]) => [...before, name],
      [],
    )
    .option(
      "--add <profile:n>",
      "add machines of the catalogue; again for more",
      (text: string, before: readonly Added[]) => [...before, addedMachines(text)],
      [],
    )
    .option("--days <n>", "how far back, at most as long as jobs are kept", wholeNumber, 7)
    .addOption(jsonOption())
    .addHelpText(
      "after",
      `
Only sizes and times are read, never what was said. Machines count as always there, models keep the speed that
was measured, and prompts share no cache.

Examples:
  coop whatif --without mac-studio
  coop whatif --add raspberry-pi-5:4 --days 14
  coop whatif --without "Mac Studio M4 Max" --add m4-pro-48:2 --json`,
    )
    .action(async ({ without, add, days, json }: WhatIfFlags) => {
      if (without.length === 0 && add.length === 0) {
        throw new CliError(
          "bad-option",
          "Say what would be different: --without MACHINE, --add PROFILE:N, or both.",
        );
      }
      const context = await contextOf(deps, json === true);
      await whatIf(context, { without, add, days }, Date.now(), (request) => runReplay(request, deps));
    });
}
