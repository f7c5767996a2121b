import { CliError } from "../cli-error.ts";
import { createClient } from "../client.ts";
import type { CoopClient } from "../client.ts";
import { findKey } from "../home.ts";
import type { Environment } from "../home.ts";
import { hintsFor } from "../invocation.ts";
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

/** Where a server listens unless told otherwise. */
export const DEFAULT_LISTEN = "127.0.0.1:7070";

export interface ContextDeps {
  readonly environment: Environment;
  /** The co-op's home. */
  readonly home: string;
  readonly output: Output;
  /** Aborts when the user wants the command to end. */
  readonly signal: AbortSignal;
}

/** @throws CliError `bad-option` for a COOP_URL that is none, `file-unreadable` */
export async function contextOf(
  { environment, home, output, signal }: ContextDeps,
  json: boolean,
): Promise<CommandContext> {
  const url = environment["COOP_URL"] ?? `http://${DEFAULT_LISTEN}`;
  if (!URL.canParse(url) || !/^https?:/.test(url)) {
    throw new CliError(
      "bad-option",
      `COOP_URL must be an http(s) URL, such as http://${DEFAULT_LISTEN}, not "${url}".`,
    );
  }
  const source = await findKey(environment, home);
  const hint = hintsFor(environment);
  return { client: createClient({ url: url.replace(/\/+$/, ""), source, hint, signal }), output, json, hint };
}
