import { writeFile } from "node:fs/promises";
import { extname } from "node:path";
import { statementSchema } from "@coop/protocol";
import { CliError } from "../cli-error.ts";
import type { CoopClient } from "../client.ts";
import type { CommandContext } from "./context.ts";
import { statementLines } from "./statement-lines.ts";

/** How a statement is printed or saved; `tables` are for people at a terminal. */
export const REPORT_FORMATS = ["tables", "json", "csv", "md", "html"] as const;
export type ReportFormat = (typeof REPORT_FORMATS)[number];

export interface ReportOptions {
  /** `YYYY-MM`; null: the month that runs. */
  readonly month: string | null;
  readonly whose: Whose;
  readonly format: ReportFormat;
  /** Where to save it; null: it is printed. */
  readonly file: string | null;
}

/** Whose figures: the caller's, or as an operator a member's (by name or id) or everybody's. */
export type Whose =
  | { readonly kind: "own" }
  | { readonly kind: "member"; readonly member: string }
  | { readonly kind: "all" };

/** The longest that a co-op with many members takes to sum a month. */
const PATIENCE_MS = 120_000;

/** Fetches a statement, which the server makes, and prints or saves it. */
export async function report(context: CommandContext, options: ReportOptions): Promise<void> {
  const { output, client } = context;
  const { file } = options;
  const text = await rendered(client, options);
  if (file === null) {
    output.text(text.endsWith("\n") ? text : `${text}\n`);
    return;
  }
  await writeFile(file, text).catch((error: unknown) => {
    const why = error instanceof Error ? error.message : String(error);
    throw new CliError("file-unwritable", `The statement cannot be written: ${why}.`, error);
  });
  output.note(`Saved to ${file}.`);
}

/** Tables and JSON are written here, the rest by the server. */
async function rendered(client: CoopClient, options: ReportOptions): Promise<string> {
  const { format } = options;
  if (format !== "tables" && format !== "json") return client.text(pathOf(options, format), PATIENCE_MS);
  const statement = await client.get(pathOf(options, "json"), statementSchema, PATIENCE_MS);
  return format === "json"
    ? `${JSON.stringify(statement, null, 2)}\n`
    : `${statementLines(statement).join("\n")}\n`;
}

function pathOf({ month, whose }: ReportOptions, format: string): string {
  const query = new URLSearchParams({ ...(month !== null && { month }), ...memberOf(whose), format });
  return `${rootOf(whose)}/statement?${query.toString()}`;
}

export const rootOf = ({ kind }: Whose): string => (kind === "own" ? "/v1" : "/admin");

export const memberOf = (whose: Whose): { readonly member?: string } =>
  whose.kind === "member" ? { member: whose.member } : {};

/**
 * What a file's name says about how the statement is to be saved in it.
 * @throws CliError `bad-option` for an ending that promises what is not made here
 */
export function formatOfFile(file: string): ReportFormat {
  const extension = extname(file).slice(1).toLowerCase();
  if (extension === "" || extension === "txt") return "tables";
  const format = REPORT_FORMATS.find((one) => one === extension);
  if (format !== undefined) return format;
  throw new CliError(
    "bad-option",
    `${file}: no statement is made as .${extension}. Let it end in .html, .md, .csv, .json or .txt, or say --html, --md, --csv or --json.`,
  );
}
