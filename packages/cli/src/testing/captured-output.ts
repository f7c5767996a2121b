import type { Output } from "../output.ts";

export interface CapturedOutput extends Output {
  /** What went to stdout. */
  stdout(): string;
  /** What went to stderr. */
  stderr(): string;
}

export function captureOutput(): CapturedOutput {
  let stdout = "";
  let stderr = "";
  return {
    line: (text = "") => void (stdout += `${text}\n`),
    text: (text) => void (stdout += text),
    note: (line) => void (stderr += `${line}\n`),
    json: (value) => void (stdout += JSON.stringify(value)),
    stdout: () => stdout,
    stderr: () => stderr,
  };
}
