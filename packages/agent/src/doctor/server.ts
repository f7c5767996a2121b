import type { AgentIdentity } from "../identity.ts";
import { transportTo } from "../transport.ts";
import { good, problem, warning } from "./finding.ts";
import type { Finding } from "./finding.ts";

/** What the server answered to a plain request. */
export type ServerAnswer =
  | {
      readonly kind: "answered";
      readonly status: number;
      readonly dateMs: number | null;
      readonly tookMs: number;
    }
  | { readonly kind: "silent"; readonly why: string };

/** Beyond this, times that the agent shows differ from everybody else's, ms. */
const CLOCK_SLACK_MS = 30_000;

/** Whether the node has joined and can reach its server, and whether its clock agrees with the server's. */
export function checkServer(
  identity: AgentIdentity | null,
  plaintextAllowed: boolean,
  answer: ServerAnswer | null,
  nowMs: number,
): Finding[] {
  if (identity === null || answer === null) {
    return [
      warning(
        "co-op",
        "this machine has not joined one",
        "Ask whoever runs the co-op for a token (coop invite-node), then: agent start --join TOKEN",
      ),
    ];
  }
  const { serverUrl, name } = identity;
  const transport = transportTo(serverUrl, identity.plaintextAllowed || plaintextAllowed);
  if (transport.kind === "refused") {
    return [
      problem(
        "co-op",
        transport.message,
        "Let the server have an https address, or allow it with --allow-plaintext.",
      ),
    ];
  }
  if (answer.kind === "silent") {
    return [
      problem(
        "co-op",
        `${serverUrl} does not answer: ${answer.why}`,
        "Is the server up, and is this machine online? Nodes dial out; no port has to be opened here.",
      ),
    ];
  }
  if (answer.status !== 200) {
    return [
      problem(
        "co-op",
        `${serverUrl} answers with ${answer.status}`,
        "Ask whoever runs the co-op to look at the server's log.",
      ),
    ];
  }
  return [
    good("co-op", `joined as ${name}, ${serverUrl} answers in ${Math.round(answer.tookMs)} ms`),
    clockFinding(answer.dateMs, nowMs),
  ];
}

function clockFinding(dateMs: number | null, nowMs: number): Finding {
  if (dateMs === null) return good("clock", "the server does not tell its time");
  const aheadMs = nowMs - dateMs;
  if (Math.abs(aheadMs) <= CLOCK_SLACK_MS) return good("clock", "agrees with the server's");
  const off = `${Math.round(Math.abs(aheadMs) / 1000)} s ${aheadMs > 0 ? "ahead of" : "behind"} the server's`;
  return warning(
    "clock",
    off,
    "Turn on automatic time (macOS: Date & Time; Linux: timedatectl set-ntp true).",
  );
}
