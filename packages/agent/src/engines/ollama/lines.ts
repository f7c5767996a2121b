import type { Readable } from "node:stream";
import { EngineFault, spokenFault } from "./fault.ts";

/** Longest line that is read, characters: a large tool call. */
const LINE_CHARACTERS_MAX = 8 * 1024 * 1024;
/** How long a response may take to end behind its `done` line, ms. */
const TAIL_MS_MAX = 1000;

/**
 * Reads a stream of JSON lines, as many at a time as the network brings, up to the one that says `done`.
 *
 * Throws an EngineFault on a line that is no JSON object, on a line that carries an error, and on an end
 * without a line that says `done`: an engine can break off with status 200 and no word about it.
 */
export async function* readLines(body: Readable, signal: AbortSignal): AsyncGenerator<readonly object[]> {
  const decoder = new TextDecoder();
  let rest = "";
  try {
    const parts: AsyncIterable<Buffer> = body.iterator({ destroyOnReturn: false });
    for await (const part of parts) {
      const text = rest + decoder.decode(part, { stream: true });
      const end = text.lastIndexOf("\n");
      rest = text.slice(end + 1);
      if (rest.length > LINE_CHARACTERS_MAX) {
        throw new EngineFault(
          "engine-error",
          `the engine sent a line of over ${LINE_CHARACTERS_MAX} characters`,
        );
      }
      if (end < 0) continue;
      const lines = parseLines(text.slice(0, end));
      if (isEnd(lines.at(-1))) {
        letEnd(body);
        yield lines;
        return;
      }
      if (lines.length > 0) yield lines;
    }
  } catch (error) {
    body.destroy();
    if (error instanceof EngineFault || signal.aborted) throw error;
    throw new EngineFault("truncated", "the connection to the engine broke in the middle of its output", {
      cause: error,
    });
  }
  const last = parseLines(rest + decoder.decode());
  if (!isEnd(last.at(-1))) {
    throw new EngineFault("truncated", "the engine ended its output without saying that it is done");
  }
  yield last;
}

/** Lines up to the end of the text or the one that says `done`; blank ones are left out. */
function parseLines(text: string): readonly object[] {
  const lines: object[] = [];
  for (const line of text.split("\n")) {
    if (line.trim() === "") continue;
    const value = parseLine(line);
    if ("error" in value) {
      throw spokenFault(200, typeof value.error === "string" ? value.error : JSON.stringify(value.error));
    }
    lines.push(value);
    if (isEnd(value)) break;
  }
  return lines;
}

const isEnd = (line: object | undefined): boolean =>
  line !== undefined && "done" in line && line.done === true;

function parseLine(line: string): object {
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  // The line is not quoted: it may be the member's output.
  throw new EngineFault("engine-error", "the engine sent a line that is no JSON object");
}

/** Reads what is left behind the last line, so that the connection can serve again; gives up one that does not end. */
function letEnd(body: Readable): void {
  const timer = setTimeout(() => body.destroy(), TAIL_MS_MAX);
  timer.unref();
  const forget = (): void => clearTimeout(timer);
  body.once("close", forget).once("error", forget).resume();
}
