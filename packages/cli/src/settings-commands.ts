import type { Command } from "commander";
import { jsonOption } from "./command-options.ts";
import type { JsonFlag } from "./command-options.ts";
import { contextOf } from "./commands/context.ts";
import type { ContextDeps } from "./commands/context.ts";
import { checkSettings, showSettings } from "./commands/settings.ts";

/** `coop settings`. */
export function addSettings(program: Command, deps: ContextDeps): void {
  const settings = program
    .command("settings")
    .description("what the co-op decided for itself, in its coop.yaml");
  settings
    .command("show", { isDefault: true })
    .description("show what the running server read when it started (operators only)")
    .addOption(jsonOption())
    .action(async ({ json }: JsonFlag) => showSettings(await contextOf(deps, json === true)));
  settings
    .command("check")
    .description("tell whether a coop.yaml can be read, and what is wrong on which line")
    .argument("[file]", "the file (default: coop.yaml in the co-op's home)")
    .addHelpText("after", "\nExample:\n  coop settings check")
    .action((file: string | undefined) => checkSettings(deps.environment, deps.output, file ?? null));
}
