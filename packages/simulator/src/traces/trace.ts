import { OperationalError } from "@coop/core";
import { BLOCK_TOKENS } from "../world/job.ts";
import type { Request } from "../workload/request.ts";
import { csvLines, numberAt, timeAt } from "./csv.ts";
import { blockSharing } from "./shared-blocks.ts";
import { parseBlockLine } from "./block-line.ts";

/** Reads recorded workloads: sizes and times, never texts. Pure: it takes the file's text. */

/** The forms of trace that are understood, as an error tells them. */
export const TRACE_FORMS = [
  "CSV with the columns TIMESTAMP,ContextTokens,GeneratedTokens",
  "CSV with the columns req_time_s,client,prompt_tokens,output_tokens",
  `JSONL with timestamp (ms), input_length, output_length and, if known, hash_ids (blocks of ${BLOCK_TOKENS} tokens)`,
] as const;

interface CsvForm {
  readonly columns: readonly string[];
  readonly read: (
    cell: (column: string) => string,
    where: string,
  ) => Omit<Request, "prefix" | "sharedTokens" | "session">;
}

const CSV_FORMS: readonly CsvForm[] = [
  {
    columns: ["TIMESTAMP", "ContextTokens", "GeneratedTokens"],
    read: (cell, where) => ({
      atS: timeAt(cell("TIMESTAMP"), where),
      promptTokens: numberAt(cell("ContextTokens"), "ContextTokens", where),
      outputTokens: numberAt(cell("GeneratedTokens"), "GeneratedTokens", where),
      client: null,
    }),
  },
  {
    columns: ["req_time_s", "client", "prompt_tokens", "output_tokens"],
    read: (cell, where) => ({
      atS: numberAt(cell("req_time_s"), "req_time_s", where),
      promptTokens: numberAt(cell("prompt_tokens"), "prompt_tokens", where),
      outputTokens: numberAt(cell("output_tokens"), "output_tokens", where),
      client: cell("client"),
    }),
  },
];

/**
 * The requests of a trace in order of time, which begins at 0. Each has a token of prompt and of output at least.
 * @throws OperationalError `unknown-trace` naming the columns that are wanted, `bad-trace` naming the line
 */
export function parseTrace(text: string, file: string): readonly Request[] {
  const first = text.slice(0, text.search(/\r?\n|$/)).replace(/^\uFEFF/, "");
  const requests = first.trimStart().startsWith("{") ? readJsonLines(text, file) : readCsv(text, first, file);
  if (requests.length === 0) throw new OperationalError("bad-trace", `${file} has no requests.`);
  const sorted = requests.toSorted((one, other) => one.atS - other.atS);
  const startS = sorted[0]?.atS ?? 0;
  return sorted.map((request) => ({
    ...request,
    atS: request.atS - startS,
    promptTokens: Math.max(1, Math.round(request.promptTokens)),
    outputTokens: Math.max(1, Math.round(request.outputTokens)),
  }));
}

function readCsv(text: string, header: string, file: string): Request[] {
  const columns = header.split(",").map((column) => column.trim().replace(/^"(.*)"$/, "$1"));
  const form = CSV_FORMS.find((known) => known.columns.every((column) => columns.includes(column)));
  if (form === undefined) {
    throw new OperationalError(
      "unknown-trace",
      `${file} begins with "${header.slice(0, 120)}", which is none of the traces understood:\n- ${TRACE_FORMS.join("\n- ")}`,
    );
  }
  return csvLines(text).map(({ cells, line }) => {
    const cell = (column: string): string => cells[columns.indexOf(column)] ?? "";
    return { ...form.read(cell, `${file} line ${line}`), session: null, prefix: null, sharedTokens: 0 };
  });
}

function readJsonLines(text: string, file: string): Request[] {
  const lines = text
    .split("\n")
    .flatMap((line, index) =>
      line.trim() === "" ? [] : [parseBlockLine(line, `${file} line ${index + 1}`)],
    );
  const sharing = blockSharing();
  return lines
    .toSorted((one, other) => one.timestamp - other.timestamp)
    .map(({ timestamp, input_length: promptTokens, output_length: outputTokens, hash_ids: blocks }) => {
      const { session, sharedBlocks } = blocks === undefined ? UNSHARED : sharing(blocks);
      return {
        atS: timestamp / 1000,
        promptTokens,
        outputTokens,
        client: null,
        session,
        prefix: blocks === undefined ? null : { kind: "blocks", blocks },
        sharedTokens: Math.max(0, Math.min(promptTokens - 1, sharedBlocks * BLOCK_TOKENS)),
      };
    });
}

const UNSHARED = { session: null, sharedBlocks: 0 };
