import type { Command } from "commander";
import { jsonOption } from "./command-options.ts";
import type { JsonFlag } from "./command-options.ts";
import { contextOf } from "./commands/context.ts";
import type { ContextDeps } from "./commands/context.ts";
import { grantCredit, showQuota } from "./commands/quota.ts";
import { grantedTokens } from "./limit-options.ts";

/** `coop quota`. */
export function addQuota(program: Command, deps: ContextDeps): void {
  const quota = program
    .command("quota")
    .description("your month: what you may use, what you used, and what is left")
    .addHelpText(
      "after",
      `
Examples:
  coop quota
  coop quota --member maja                          another's (operators only)
  coop quota grant maja 500000 --month 2026-12      credit for a month (operators only)`,
    );
  quota
    .command("show", { isDefault: true })
    .description("show a month's quota (what coop quota alone does)")
    .option("--member <member>", "another member's, by name or id (operators only)")
    .addOption(jsonOption())
    .action(async ({ member, json }: JsonFlag & { readonly member?: string }) =>
      showQuota(await contextOf(deps, json === true), member ?? null),
    );
  quota
    .command("grant")
    .description("grant a member tokens beyond their quota, once (operators only)")
    .argument("<member>", "name or id")
    .argument("<tokens>", "how many; below zero takes back, written behind --", grantedTokens)
    .option("--month <month>", "for which month, YYYY-MM, up to 12 ahead (default: this one)")
    .addOption(jsonOption())
    .addHelpText("after", "\nExamples:\n  coop quota grant maja 500000\n  coop quota grant maja -- -500000")
    .action(async (member: string, tokens: number, { month, json }: JsonFlag & { readonly month?: string }) =>
      grantCredit(await contextOf(deps, json === true), { member, tokens, month: month ?? null }),
    );
}
