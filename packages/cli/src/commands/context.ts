import type { CoopClient } from "../client.ts";
import type { Hint } from "../invocation.ts";
import type { Output } from "../output.ts";

/** What every command that asks a server works with. */
export interface CommandContext {
  readonly client: CoopClient;
  readonly output: Output;
  /** Print JSON for programs instead of text for people. */
  readonly json: boolean;
  readonly hint: Hint;
}
