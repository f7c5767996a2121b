import type { Command } from "commander";
import { jsonOption } from "./command-options.ts";
import type { JsonFlag } from "./command-options.ts";
import { contextOf } from "./commands/context.ts";
import type { ContextDeps } from "./commands/context.ts";
import { exportLedger, refundJob, verifyLedger } from "./commands/ledger.ts";

/** `coop ledger`. */
export function addLedger(program: Command, deps: ContextDeps): void {
  const ledger = program
    .command("ledger")
    .description("what was settled, and whether it adds up (operators only)");
  ledger
    .command("verify")
    .description("recompute every balance from the ledger; fails and says where one disagrees")
    .addOption(jsonOption())
    .action(async ({ json }: JsonFlag) => verifyLedger(await contextOf(deps, json === true)));
  ledger
    .command("export")
    .description("print every settlement as a line of JSON, oldest first")
    .addHelpText("after", "\nExample:\n  coop ledger export > ledger.jsonl")
    .action(async () => exportLedger(await contextOf(deps, true)));
  ledger
    .command("refund")
    .description("give a member back what a job cost, once; the co-op bears it")
    .argument("<job>", "the job's id")
    .addOption(jsonOption())
    .addHelpText("after", "\nExample:\n  coop ledger refund job_01k...")
    .action(async (job: string, { json }: JsonFlag) => refundJob(await contextOf(deps, json === true), job));
}
