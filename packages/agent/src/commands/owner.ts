import { OperationalError } from "@coop/core";
import type { Read } from "../owner/written.ts";
import { isLive, readStatus } from "../status.ts";
import type { AgentStatus } from "../status.ts";

/** What a command that tells or changes the owner's settings works with. */
export interface OwnerCommandDeps {
  readonly home: string;
  readonly nowMs: number;
  /** One line of the command's result. */
  readonly say: (line: string) => void;
}

/** The agent that runs here, null when none does. */
export async function agentHere({ home, nowMs }: OwnerCommandDeps): Promise<AgentStatus | null> {
  const status = await readStatus(home);
  return status !== null && isLive(status, nowMs) ? status : null;
}

/**
 * The value of an option, as the file would take it.
 * @throws OperationalError `bad-setting` that names the option
 */
export function understood<T>(option: string, value: Read<T>): T {
  if (value.kind === "read") return value.value;
  throw new OperationalError("bad-setting", `${option} ${value.problem}.`);
}
