import { fstatSync, openSync } from "node:fs";
import { mkdir, open, rename, stat } from "node:fs/promises";
import { dirname } from "node:path";

/** A log larger than this is set aside when its co-op starts, bytes. */
const LARGEST_LOG = 8 * 2 ** 20;
/** Of the end of a log, what is looked at for the reason of a failure, bytes. */
const TAIL_BYTES = 16_384;
const TAIL_LINES = 14;

/** The file that a program's stderr goes to, over all its runs. */
export interface ProgramLog {
  readonly path: string;
  /** A descriptor for one run to append with; the caller closes it. */
  open(): number;
  /** The last lines of the latest run: its plain words where there are any, else its log records. */
  tail(): Promise<string[]>;
}

export async function createProgramLog(path: string): Promise<ProgramLog> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  {
    await using file = await open(path, "a", 0o600);
    if ((await file.stat()).size > LARGEST_LOG) await rename(path, `${path}.1`);
  }
  let runStart = 0;
  return {
    path,
    open() {
      const descriptor = openSync(path, "a", 0o600);
      runStart = fstatSync(descriptor).size;
      return descriptor;
    },
    async tail() {
      const start = Math.max(runStart, (await stat(path)).size - TAIL_BYTES);
      await using file = await open(path, "r");
      const { bytesRead, buffer } = await file.read(Buffer.alloc(TAIL_BYTES), 0, TAIL_BYTES, start);
      const lines = buffer
        .toString("utf8", 0, bytesRead)
        .split("\n")
        .filter((line) => line.trim() !== "");
      const words = lines.filter((line) => !line.startsWith("{"));
      return (words.length > 0 ? words : lines).slice(-TAIL_LINES);
    },
  };
}
