import type { Machine, NodeReport } from "@coop/core";
import { PROTOCOL_VERSION } from "@coop/protocol";
import type { Hello, Outgoing, RunningAttempt, SchedulerFrame } from "@coop/protocol";
import { isServerProven, signChallenge } from "./identity.ts";
import type { AgentIdentity } from "./identity.ts";

export type Challenge = Extract<SchedulerFrame, { kind: "challenge" }>;
export type Welcome = Extract<SchedulerFrame, { kind: "welcome" }>;
export type Refused = Extract<SchedulerFrame, { kind: "refused" }>;

/** What a node says of itself when it connects. */
export interface Announcement {
  readonly machine: Machine;
  readonly report: NodeReport;
  readonly running: readonly RunningAttempt[];
}

/** Pause before an older server is tried again: it may have been updated, ms. */
const olderServerRetryMs = 60_000;

export type ChallengeAnswer =
  | { readonly kind: "hello"; readonly hello: Outgoing<Hello> }
  | { readonly kind: "wrong-server"; readonly message: string }
  /** The two speak different versions. `retryAfterMs` null: only a newer agent helps. */
  | { readonly kind: "wrong-version"; readonly message: string; readonly retryAfterMs: number | null };

/** Proves who this node is, to the server it joined and to no other. Pure. */
export function answerChallenge(
  identity: AgentIdentity,
  challenge: Challenge,
  announcement: Announcement,
  nonce: string,
): ChallengeAnswer {
  if (challenge.protocolVersion !== PROTOCOL_VERSION) return versionMismatch(challenge.protocolVersion);
  if (challenge.serverId !== identity.serverId) {
    return { kind: "wrong-server", message: wrongServerMessage(identity) };
  }
  const { machine, report, running } = announcement;
  return {
    kind: "hello",
    hello: {
      kind: "hello",
      protocolVersion: PROTOCOL_VERSION,
      node: identity.node,
      signature: signChallenge(identity, challenge.nonce),
      nonce,
      machine,
      report,
      running,
    },
  };
}

/** Whether the welcome comes from the server that this node joined. `nonce`: the one of the hello. Pure. */
export function isWelcomeProven(identity: AgentIdentity, nonce: string, welcome: Welcome): boolean {
  const { serverPublicKey: publicKey, serverId, node } = identity;
  return isServerProven({ publicKey, serverId, node, nonce, signature: welcome.signature });
}

/** For the owner: the address is served by somebody else than at the time of joining. */
export const wrongServerMessage = (identity: AgentIdentity): string =>
  `${identity.serverUrl} is not the server that this node joined: it cannot prove that identity. ` +
  "If the co-op was set up anew, ask for a join token and run `agent start --join TOKEN`.";

function versionMismatch(serverVersion: number): ChallengeAnswer {
  const versions = `The server speaks version ${serverVersion} of the node protocol, this agent version ${PROTOCOL_VERSION}.`;
  return serverVersion > PROTOCOL_VERSION
    ? { kind: "wrong-version", message: `${versions} Update the agent.`, retryAfterMs: null }
    : {
        kind: "wrong-version",
        message: `${versions} The server needs an update.`,
        retryAfterMs: olderServerRetryMs,
      };
}
