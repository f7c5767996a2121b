import { execFile } from "node:child_process";

/** How a program ended, with what it wrote on stdout and stderr. */
export interface ToolEnd {
  readonly kind: "succeeded" | "failed";
  readonly said: string;
}

const MOST_MS = 60_000;

/** Runs a program to its end; one that is not there has failed. `input` goes to its stdin. */
export const runTool = (program: string, args: readonly string[], input = ""): Promise<ToolEnd> =>
  new Promise((resolve) => {
    const child = execFile(program, args, { timeout: MOST_MS }, (error, stdout, stderr) => {
      const why = error === null || stderr !== "" ? "" : error.message;
      resolve({ kind: error === null ? "succeeded" : "failed", said: `${stdout}${stderr}${why}` });
    });
    child.stdin?.on("error", () => undefined);
    child.stdin?.end(input);
  });
