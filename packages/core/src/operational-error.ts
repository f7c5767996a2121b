/**
 * A failure of the world (a broken connection, a full disk, a missing program), as opposed to an expected
 * outcome (which is data) or a bug (which crashes). The message says what happened and what to do.
 */
export class OperationalError extends Error {
  override readonly name: string = "OperationalError";
  /** Stable, machine-readable, kebab-case. */
  readonly code: string;
  /** Whether the same call may succeed later without a change. */
  readonly retriable: boolean;

  constructor(code: string, message: string, options: { retriable?: boolean; cause?: unknown } = {}) {
    super(message, "cause" in options ? { cause: options.cause } : undefined);
    this.code = code;
    this.retriable = options.retriable ?? false;
  }
}
