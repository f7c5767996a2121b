import { randomBytes } from "node:crypto";
import {
  JOIN_PATH,
  JOIN_REFUSALS,
  JOIN_TOKEN_PREFIX,
  joinResponseSchema,
  joinTicketSchema,
  problemSchema,
} from "@coop/protocol";
import type { JoinRequest, JoinTicket } from "@coop/protocol";
import { createNodeKey, isServerProven } from "./identity.ts";
import type { AgentIdentity } from "./identity.ts";
import { addressOn, parseJson, postJson } from "./http-client.ts";
import type { HttpAnswer } from "./http-client.ts";
import { transportTo } from "./transport.ts";

export type JoinRefusal =
  | "malformed-token"
  | "plaintext"
  | "unreachable"
  | "expired"
  | "used"
  | "unknown-token"
  | "wrong-server"
  | "refused";

export type JoinOutcome =
  | { readonly kind: "joined"; readonly identity: AgentIdentity }
  /** `message` says what happened and what to do. */
  | { readonly kind: "refused"; readonly reason: JoinRefusal; readonly message: string };

export interface JoinOptions {
  readonly token: string;
  /** How the node would like to be called. */
  readonly name: string;
  readonly plaintextAllowed: boolean;
  readonly signal: AbortSignal;
}

const newToken = "Ask for a new one: whoever runs the co-op gets it with `coop invite-node`.";

/** Swaps a one-time token for a key of this node's own, after the server has shown to be the one that the token names. */
export async function joinCoop(options: JoinOptions): Promise<JoinOutcome> {
  const ticket = parseJoinToken(options.token);
  if (ticket === null) {
    return refused(
      "malformed-token",
      `This is not a whole join token. It begins with ${JOIN_TOKEN_PREFIX} and has no spaces; copy it again.`,
    );
  }
  const transport = transportTo(ticket.url, options.plaintextAllowed);
  if (transport.kind === "refused") return refused("plaintext", transport.message);

  const key = createNodeKey();
  const nonce = randomBytes(24).toString("base64url");
  const request = {
    id: ticket.id,
    secret: ticket.secret,
    name: options.name,
    publicKey: key.publicKey,
    nonce,
  };
  const answer = await post(ticket.url, request, options.signal);
  if (answer.kind === "refused") return answer;

  const joined = joinResponseSchema.safeParse(answer.body);
  if (!joined.success)
    return refused(
      "refused",
      `${ticket.url} answers, but not as a co-op's server does. Is the address right?`,
    );
  const { node, name, owner, serverPublicKey, signature } = joined.data;
  const { serverId } = ticket;
  if (!isServerProven({ publicKey: serverPublicKey, serverId, node, nonce, signature })) {
    return refused(
      "wrong-server",
      `${ticket.url} is not the server that this token was made by: it cannot prove its identity. ${newToken}`,
    );
  }
  const { plaintextAllowed } = options;
  const { privateKey } = key;
  return {
    kind: "joined",
    identity: {
      node,
      name,
      owner,
      serverUrl: ticket.url,
      serverId,
      serverPublicKey,
      privateKey,
      plaintextAllowed,
    },
  };
}

/** The ticket behind a join token; null when the text is none. */
export function parseJoinToken(token: string): JoinTicket | null {
  const text = token.trim();
  if (!text.startsWith(JOIN_TOKEN_PREFIX)) return null;
  const json = Buffer.from(text.slice(JOIN_TOKEN_PREFIX.length), "base64url").toString("utf8");
  const ticket = joinTicketSchema.safeParse(parseJson(json));
  return ticket.success ? ticket.data : null;
}

type Answer =
  | { readonly kind: "answered"; readonly body: unknown }
  | Extract<JoinOutcome, { kind: "refused" }>;

async function post(serverUrl: string, request: JoinRequest, signal: AbortSignal): Promise<Answer> {
  let answer: HttpAnswer;
  try {
    answer = await postJson(addressOn(serverUrl, JOIN_PATH), request, signal);
  } catch (error) {
    return refused(
      "unreachable",
      `Nobody answers at ${serverUrl} (${reasonOf(error)}). Is the server running, and can this machine reach it?`,
    );
  }
  const { status } = answer;
  const body = parseJson(answer.text);
  if (status === 200 || status === 201) return { kind: "answered", body };
  const problem = problemSchema.safeParse(body);
  const said = problem.success ? problem.data.error.message : `HTTP ${status}`;
  switch (problem.success ? problem.data.error.code : null) {
    case JOIN_REFUSALS.expired:
      return refused("expired", `The join token has expired. ${newToken}`);
    case JOIN_REFUSALS.used:
      return refused("used", `The join token was used before; each serves once. ${newToken}`);
    case JOIN_REFUSALS.unknown:
      return refused("unknown-token", `${serverUrl} does not know this join token. ${newToken}`);
    default:
      return refused("refused", `${serverUrl} refused to let this node join: ${said}`);
  }
}

/** An attempt on several addresses has a code only. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.message === "" && "code" in error ? String(error.code) : error.message;
}

const refused = (reason: JoinRefusal, message: string) => ({ kind: "refused", reason, message }) as const;
