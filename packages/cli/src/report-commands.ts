import { Option } from "commander";
import type { Command } from "commander";
import { CliError } from "./cli-error.ts";
import { jsonOption } from "./command-options.ts";
import type { JsonFlag } from "./command-options.ts";
import { contextOf } from "./commands/context.ts";
import type { ContextDeps } from "./commands/context.ts";
import { formatOfFile, report } from "./commands/report.ts";
import type { ReportFormat, Whose } from "./commands/report.ts";
import { GROUPINGS, usage } from "./commands/usage.ts";
import type { UsageOptions } from "./commands/usage.ts";

interface WhoseFlags {
  readonly member?: string;
  readonly all?: true;
}

interface ReportFlags extends WhoseFlags, JsonFlag {
  readonly month?: string;
  readonly csv?: true;
  readonly md?: true;
  readonly html?: true;
  readonly output?: string;
}

interface UsageFlags extends WhoseFlags, JsonFlag {
  readonly from?: string;
  readonly to?: string;
  readonly csv?: true;
  readonly by: UsageOptions["by"];
}

/** `coop report` and `coop usage`. */
export function addReports(program: Command, deps: ContextDeps): void {
  withWhose(
    program
      .command("report")
      .description("a month's statement: what was used, what it cost, and what clouds would have charged")
      .option("--month <month>", "which month, YYYY-MM (default: this one)"),
  )
    .addOption(jsonOption())
    .option("--csv", "one figure a line, for spreadsheets")
    .option("--md", "Markdown")
    .option("--html", "a page with drawings, to read, to send or to print")
    .option("-o, --output <file>", "save it; the file's ending tells how when no other option does")
    .addHelpText(
      "after",
      `
Examples:
  coop report
  coop report --month 2026-11 -o november.html
  coop report --member maja --csv > maja.csv      another member's (operators only)
  coop report --all                               the fleet's, with a row a member (operators only)`,
    )
    .action(async (flags: ReportFlags) =>
      report(await contextOf(deps, flags.json === true), {
        month: flags.month ?? null,
        whose: whoseOf(flags),
        format: formatOf(flags),
        file: flags.output ?? null,
      }),
    );
  withWhose(
    program
      .command("usage")
      .description("what was used between two days")
      .option("--from <day>", "first day, YYYY-MM-DD (default: the month's first)")
      .option("--to <day>", "last day, included (default: today)")
      .addOption(new Option("--by <what>", "what to sum by").choices(GROUPINGS).default("day")),
  )
    .addOption(jsonOption())
    .option("--csv", "one line a group, for spreadsheets")
    .addHelpText(
      "after",
      `
Days before the member was added, and days to come, are left out.

Examples:
  coop usage --from 2026-01-01 --to 2026-06-30 --by model
  coop usage --from 2026-01-01 --csv > usage.csv`,
    )
    .action(async ({ from, to, by, json, csv, ...flags }: UsageFlags) => {
      if (json === true && csv === true) throw new CliError("bad-option", "Give --json or --csv, not both.");
      await usage(await contextOf(deps, json === true), {
        from: from ?? null,
        to: to ?? null,
        by,
        whose: whoseOf(flags),
        csv: csv === true,
      });
    });
}

const withWhose = (command: Command): Command =>
  command
    .option("--member <member>", "another member's, by name or id (operators only)")
    .option("--all", "everybody's (operators only)");

function whoseOf({ member, all }: WhoseFlags): Whose {
  if (member !== undefined && all === true)
    throw new CliError("bad-option", "Give --member or --all, not both.");
  if (all === true) return { kind: "all" };
  return member === undefined ? { kind: "own" } : { kind: "member", member };
}

function formatOf({ output, ...flags }: ReportFlags): ReportFormat {
  const asked = (["json", "csv", "md", "html"] as const).filter((format) => flags[format] === true);
  if (asked.length > 1)
    throw new CliError("bad-option", `Give one of ${asked.map((format) => `--${format}`).join(", ")}.`);
  return asked[0] ?? (output === undefined ? "tables" : formatOfFile(output));
}
