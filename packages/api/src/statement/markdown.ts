import type { Statement } from "@coop/core";
import { coverageOf, titleOf } from "./figures.ts";
import { allTables, notesOf, utilisationText } from "./tables.ts";
import type { StatementTable } from "./tables.ts";

/** The statement as Markdown. Pure: no I/O. */
export function statementMarkdown(statement: Statement): string {
  const missing = statement.missingPrices.map(({ remedy }) => `- **Price missing.** ${escaped(remedy)}`);
  const blocks = [
    `# ${escaped(titleOf(statement))}`,
    `${escaped(statement.coop)}. ${escaped(coverageOf(statement))} Amounts in ${escaped(statement.currency)}.`,
    ...(missing.length === 0 ? [] : [missing.join("\n")]),
    ...allTables(statement).map(markdownTable),
    `## Utilisation\n\n${escaped(utilisationText(statement))}`,
    `## How it is counted\n\n${notesOf(statement)
      .map((note) => `- ${escaped(note)}`)
      .join("\n")}`,
  ];
  return `${blocks.join("\n\n")}\n`;
}

function markdownTable({ title, columns, rows }: StatementTable): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [
    `## ${title}`,
    "",
    line(columns.map(({ heading }) => escaped(heading))),
    line(columns.map(({ numeric }) => (numeric ? "---:" : "---"))),
    ...rows.map((row) => line(row.map(escaped))),
  ].join("\n");
}

/** What members and owners may call things must not become markup. */
const escaped = (text: string): string =>
  text.replaceAll(/[\\`*_{}[\]<>|#]/g, (character) => `\\${character}`).replaceAll(/\s+/g, " ");
