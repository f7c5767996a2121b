import { OperationalError } from "@coop/core";
import type { AgentConfig } from "./config.ts";
import { readIdentity, writeIdentity } from "./identity.ts";
import type { AgentIdentity } from "./identity.ts";
import { joinCoop, parseJoinToken } from "./join.ts";

export interface SettleOptions {
  readonly config: AgentConfig;
  readonly joinToken: string | null;
  readonly say: (line: string) => void;
  readonly signal: AbortSignal;
}

/** Longest wait for the server to answer a join, ms. */
const JOIN_LIMIT_MS = 30_000;

/**
 * The identity from an earlier join, or from the one that is asked for now.
 * @throws OperationalError `not-joined`, or why the join was refused
 */
export async function settleIdentity({
  config,
  joinToken,
  say,
  signal,
}: SettleOptions): Promise<AgentIdentity> {
  const known = await readIdentity(config.home);
  if (joinToken === null) {
    if (known !== null) return known;
    throw new OperationalError(
      "not-joined",
      "This machine has not joined a co-op yet. Whoever runs the co-op gets a join token with `coop invite-node`; " +
        "then run `agent start --join TOKEN`.",
    );
  }
  const { name, plaintextAllowed } = config;
  const limited = AbortSignal.any([signal, AbortSignal.timeout(JOIN_LIMIT_MS)]);
  const outcome = await joinCoop({ token: joinToken, name, plaintextAllowed, signal: limited });
  if (outcome.kind === "joined") {
    await writeIdentity(config.home, outcome.identity);
    say(`joined as ${outcome.identity.name}`);
    return outcome.identity;
  }
  const isSpent =
    outcome.reason === "used" || outcome.reason === "expired" || outcome.reason === "unknown-token";
  if (isSpent && known !== null && parseJoinToken(joinToken)?.serverId === known.serverId) {
    say(`joined before as ${known.name}`);
    return known;
  }
  throw new OperationalError(`join-${outcome.reason}`, outcome.message);
}
