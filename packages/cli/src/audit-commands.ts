import { InvalidArgumentError } from "commander";
import type { Command } from "commander";
import { jsonOption, wholeNumber } from "./command-options.ts";
import type { JsonFlag } from "./command-options.ts";
import { listAudit, verifyAudit } from "./commands/audit.ts";
import { contextOf } from "./commands/context.ts";
import type { ContextDeps } from "./commands/context.ts";

function hash(text: string): string {
  if (/^[0-9a-f]{64}$/.test(text)) return text;
  throw new InvalidArgumentError("It must be the 64 digits and letters that `coop audit verify` printed.");
}

/** `coop audit`. */
export function addAudit(program: Command, deps: ContextDeps): void {
  const audit = program.command("audit").description("what operators did (operators only)");
  audit
    .command("list", { isDefault: true })
    .description("list every act, oldest first, as it was asked for and as it ended")
    .option("--last <n>", "only so many of the newest entries", wholeNumber)
    .addOption(jsonOption())
    .addHelpText("after", "\nExamples:\n  coop audit list --last 20\n  coop audit list --json > audit.json")
    .action(async ({ last, json }: JsonFlag & { readonly last?: number }) =>
      listAudit(await contextOf(deps, json === true), last ?? null),
    );
  audit
    .command("verify")
    .description("check that no entry was changed, removed or moved; prints the head to write down")
    .option("--head <hash>", "a head that was written down: the log must still hold it", hash)
    .addOption(jsonOption())
    .addHelpText("after", "\nExample:\n  coop audit verify --head 3f9c...")
    .action(async ({ head, json }: JsonFlag & { readonly head?: string }) =>
      verifyAudit(await contextOf(deps, json === true), head ?? null),
    );
}
