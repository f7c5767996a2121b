export type CliErrorCode =
  | "server-not-reachable"
  | "server-silent"
  | "not-a-coop"
  | "no-key"
  | "refused"
  | "job-failed"
  | "bad-option"
  | "file-unreadable"
  | "program-failed"
  | "demo-failed"
  | "bad-input"
  | "in-use"
  | "lines-failed"
  | "ledger-drift"
  | "audit-broken"
  | "not-confirmed"
  | "file-unwritable";

/** What went wrong in words for whoever ran the command: what happened, and what to do. */
export class CliError extends Error {
  override readonly name = "CliError";
  readonly code: CliErrorCode;

  constructor(code: CliErrorCode, message: string, cause?: unknown) {
    super(message, { cause });
    this.code = code;
  }
}
