import { createPublicKey, randomBytes, verify } from "node:crypto";
import { OperationalError } from "@coop/core";
import { identityText, SERVER_IDENTITY_PATH, serverIdentitySchema } from "@coop/protocol";
import { getContent, parseJson } from "../http-client.ts";
import { readIdentity, writeIdentity } from "../identity.ts";
import type { AgentIdentity } from "../identity.ts";
import { findService } from "../service/find-service.ts";
import { transportTo } from "../transport.ts";
import { serviceCommand } from "./install.ts";
import type { ServiceOptions } from "./install.ts";
import { runningAgent } from "./one-look.ts";

/** Longest wait for the server at the new address, ms. */
const ANSWER_MS = 30_000;

/**
 * Tells this agent where its server is now, once whoever answers there has proved to be that server. An installed
 * agent starts anew.
 * @param address http or https URL
 * @throws OperationalError `not-joined`, `bad-address`, or `not-the-server` (nothing changed then)
 */
export async function move(options: ServiceOptions, address: string): Promise<void> {
  const { config, say } = options;
  const identity = await readIdentity(config.home);
  if (identity === null)
    throw new OperationalError(
      "not-joined",
      "This machine has not joined a co-op, so it has no server to move with.",
    );
  const plaintextAllowed = identity.plaintextAllowed || config.plaintextAllowed;
  const transport = transportTo(address, plaintextAllowed);
  if (transport.kind === "refused") throw new OperationalError("bad-address", transport.message);
  const serverUrl = address.replace(/\/+$/, "");
  await prove(identity, serverUrl, AbortSignal.any([options.signal, AbortSignal.timeout(ANSWER_MS)]));
  await writeIdentity(config.home, { ...identity, serverUrl, plaintextAllowed });
  say(`agent ${identity.name} now looks for its server at ${serverUrl}`);
  await startAnew(options);
}

/** @throws OperationalError `not-the-server` */
async function prove(identity: AgentIdentity, serverUrl: string, signal: AbortSignal): Promise<void> {
  const nonce = randomBytes(32).toString("base64url");
  const url = new URL(`${serverUrl}${SERVER_IDENTITY_PATH}?nonce=${nonce}`);
  const { status, content } = await getContent(url, signal).catch((error: unknown) => {
    throw notTheServer(`${serverUrl} does not answer: ${String(error)}`);
  });
  const proof = serverIdentitySchema.safeParse(parseJson(content.toString("utf8")));
  if (status !== 200 || !proof.success)
    throw notTheServer(`${serverUrl} answers with ${status}, not as a co-op's server of this version does`);
  const key = createPublicKey({
    key: Buffer.from(identity.serverPublicKey, "base64"),
    type: "spki",
    format: "der",
  });
  const text = Buffer.from(identityText(identity.serverId, nonce));
  const { serverId, signature } = proof.data;
  if (serverId === identity.serverId && verify(null, text, key, Buffer.from(signature, "base64"))) return;
  throw notTheServer(
    `${serverUrl} is another server than the one that this node joined. To go there, ask for a join token and run \`agent start --join TOKEN\``,
  );
}

async function startAnew(options: ServiceOptions): Promise<void> {
  const command = serviceCommand(options, options.main);
  const found = await findService(options.host, command);
  if (found.kind === "found" && (await found.service.isInstalled())) {
    await found.service.restart();
    return options.say(`started anew as a service (${found.service.kind})`);
  }
  const running = await runningAgent(options);
  options.say(
    running === null
      ? "It goes there from the next `agent start` on."
      : `The agent that runs (process ${running.pid}) goes on as before: stop it and start it again.`,
  );
}

const notTheServer = (why: string): OperationalError =>
  new OperationalError("not-the-server", `Nothing was changed: ${why}.`);
