/** PROGRAM `coop`: what members and operators do with a co-op, and `coop up`, which runs one. */
import { homedir } from "node:os";
import { createInterface } from "node:readline/promises";
import { CliError } from "./cli-error.ts";
import type { Output } from "./output.ts";
import { createProgram } from "./program.ts";
import { createScreen } from "./screen.ts";
import type { Terminal } from "./screen.ts";

const INTERRUPTED_EXIT = 130;
const BAD_INPUT_EXIT = 2;

const { stdout } = process;
const terminal: Terminal = {
  get columns() {
    return stdout.columns;
  },
  get rows() {
    return stdout.rows;
  },
  write: (text) => void stdout.write(text),
};
const output: Output = {
  line: (text = "") => void stdout.write(`${text}\n`),
  text: (text) => void stdout.write(text),
  note: (line) => void process.stderr.write(`${line}\n`),
  json: (value) => void stdout.write(`${JSON.stringify(value, null, 2)}\n`),
};

async function readInput(): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks).toString("utf8");
}

async function askAtTerminal(question: string): Promise<string> {
  const terminalLines = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return await terminalLines.question(question, { signal: stop.signal });
  } finally {
    terminalLines.close();
  }
}

/** The same signal may come more than once, from the terminal and from whoever passes it on. */
const stop = new AbortController();
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => stop.abort());

// A reader that has seen enough, such as `head`, ends the command quietly.
stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  stop.abort();
});

try {
  const { env: environment, platform } = process;
  const program = createProgram({
    environment,
    platform,
    userHome: homedir(),
    output,
    readInput,
    ask: process.stdin.isTTY && process.stderr.isTTY ? askAtTerminal : null,
    signal: stop.signal,
    screen: stdout.isTTY && process.stderr.isTTY ? createScreen(terminal) : null,
  });
  await program.parseAsync();
} catch (error) {
  if (stop.signal.aborted) process.exitCode = INTERRUPTED_EXIT;
  else if (error instanceof CliError) {
    output.note(error.message);
    process.exitCode = error.code === "bad-input" ? BAD_INPUT_EXIT : 1;
  } else throw error;
}
