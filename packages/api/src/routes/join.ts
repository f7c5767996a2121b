import { createPublicKey } from "node:crypto";
import type { Log } from "@coop/core";
import { JOIN_REFUSALS, joinRequestSchema, PROTOCOL_VERSION, proofText } from "@coop/protocol";
import type { JoinResponse } from "@coop/protocol";
import { digestSecret } from "../api-key.ts";
import type { ApiContext } from "../deps.ts";
import type { JoinTokenDeps } from "../join-token.ts";
import { badRequest, ProblemError } from "../problem.ts";
import { parseBody, readJson } from "../request-body.ts";

const REFUSALS = {
  expired: {
    status: 410,
    message: "This join token has expired; they serve for 15 minutes. Ask an operator for a new one.",
  },
  used: {
    status: 409,
    message: "This join token was used already; each serves once. Ask an operator for a new one.",
  },
  unknown: {
    status: 401,
    message: "This join token is not known here. Copy it again, or ask an operator for a new one.",
  },
} as const;

/** `POST /nodes/join`: a machine becomes a node of its token's member. The answer proves who the server is. */
export const join =
  (deps: JoinTokenDeps & { readonly log: Log }) =>
  async (c: ApiContext): Promise<Response> => {
    const { serverIdentity, clock } = deps;
    const request = parseBody(joinRequestSchema, (await readJson(c)).value);
    const publicKey = ed25519Key(request.publicKey);
    const digest = digestSecret(deps.pepper, request.secret);
    const outcome = await deps.nodes.redeem(
      request.id,
      digest,
      { id: deps.ids.node(), name: request.name, publicKey },
      clock.now(),
    );
    if (outcome.kind !== "joined") {
      const { status, message } = REFUSALS[outcome.kind];
      throw new ProblemError(status, { code: JOIN_REFUSALS[outcome.kind], message, repeat: false });
    }
    const { id, name, owner } = outcome.node;
    deps.log.info({ node: id, owner }, "a node joined");
    const answer: JoinResponse = {
      node: id,
      name,
      owner,
      serverId: serverIdentity.serverId,
      serverPublicKey: serverIdentity.publicKey,
      signature: serverIdentity.sign(
        proofText("server", request.nonce, serverIdentity.serverId, id, PROTOCOL_VERSION),
      ),
    };
    return c.json(answer, 201);
  };

/** The key written back in its one canonical form. */
function ed25519Key(text: string): string {
  try {
    const key = createPublicKey({ key: Buffer.from(text, "base64"), format: "der", type: "spki" });
    if (key.asymmetricKeyType === "ed25519")
      return key.export({ format: "der", type: "spki" }).toString("base64");
  } catch (error) {
    if (!(error instanceof Error)) throw error;
  }
  throw badRequest("publicKey must be an ed25519 key, SPKI DER in base64.", "publicKey");
}
