import { createHash, createPublicKey, verify } from "node:crypto";
import { mkdtemp, realpath, rm, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { OperationalError } from "@coop/core";
import { AGENT_PACKAGE_INFO_PATH, AGENT_PACKAGE_PATH, agentPackageSchema, packageText } from "@coop/protocol";
import type { AgentPackageInfo } from "@coop/protocol";
import { addressOn, getContent, parseJson } from "../http-client.ts";
import type { HttpContent } from "../http-client.ts";
import { readIdentity } from "../identity.ts";
import type { AgentIdentity } from "../identity.ts";
import { findService, shellLine } from "../service/find-service.ts";
import { programFolder, replaceProgram, settledVersion } from "../service/own-program.ts";
import { readUnitFile } from "../service/unit-file.ts";
import { runTool } from "../service/run-tool.ts";
import { AGENT_VERSION } from "../version.ts";
import { serviceCommand } from "./install.ts";
import type { ServiceOptions } from "./install.ts";

/** Longest that the download may take, ms. */
const DOWNLOAD_MS = 120_000;

/**
 * Replaces this agent by the one that its server hands out, after the server that this node joined has vouched for it.
 * An installed agent starts anew with it.
 * @throws OperationalError `not-joined`, `runs-from-sources`, `no-package`, `package-refused` (nothing changed then)
 */
export async function update(options: ServiceOptions): Promise<void> {
  const { config, say } = options;
  const script = await realpath(options.main);
  if (basename(script) !== "main.js") {
    throw new OperationalError(
      "runs-from-sources",
      `This agent runs from its sources (${script}); bring those up to date and start it again.`,
    );
  }
  const identity = await readIdentity(config.home);
  if (identity === null) {
    throw new OperationalError(
      "not-joined",
      "This machine has not joined a co-op, so there is no server to update from.",
    );
  }
  const signal = AbortSignal.any([options.signal, AbortSignal.timeout(DOWNLOAD_MS)]);
  const info = await vouchedFor(identity, signal);
  // A service runs the one in the agent's home, whichever one this command was typed to.
  const version = (await settledVersion(config.home)) ?? AGENT_VERSION;
  if (info.version === version) return say(`agent ${version} is what ${identity.serverUrl} hands out`);
  await fetchInto(config.home, identity, info, signal);
  say(`agent ${version} replaced by ${info.version} in ${programFolder(config.home)}`);
  const program = join(programFolder(config.home), "main.js");
  const command = serviceCommand(options, program);
  const found = await findService(options.host, command);
  if (found.kind === "none" || !(await found.service.isInstalled()))
    return say(`It serves once it runs in place of this one:\n\n  ${shellLine(command)}\n`);
  const unit = await readUnitFile(found.service.path);
  // What it was installed with holds; one that was installed from elsewhere comes to the new program.
  await (unit?.includes(program) === true ? found.service.restart() : found.service.install(command));
  say(`started anew as a service (${found.service.kind})`);
}

async function vouchedFor(identity: AgentIdentity, signal: AbortSignal): Promise<AgentPackageInfo> {
  const answer = await get(identity, AGENT_PACKAGE_INFO_PATH, signal);
  const info = agentPackageSchema.safeParse(parseJson(answer.content.toString("utf8")));
  if (!info.success)
    throw refused(`${identity.serverUrl} does not say in a known form which agent it hands out`);
  const { serverId, version, sha256, signature } = info.data;
  const key = createPublicKey({
    key: Buffer.from(identity.serverPublicKey, "base64"),
    type: "spki",
    format: "der",
  });
  const text = Buffer.from(packageText(identity.serverId, version, sha256));
  if (serverId !== identity.serverId || !verify(null, text, key, Buffer.from(signature, "base64"))) {
    throw refused(
      `${identity.serverUrl} is not the server that this node joined, or somebody changed what it said`,
    );
  }
  return info.data;
}

async function fetchInto(
  home: string,
  identity: AgentIdentity,
  { sha256 }: AgentPackageInfo,
  signal: AbortSignal,
): Promise<void> {
  const { content } = await get(identity, AGENT_PACKAGE_PATH, signal);
  if (createHash("sha256").update(content).digest("hex") !== sha256) {
    throw refused(`what came from ${identity.serverUrl} is not the agent that the server vouches for`);
  }
  const folder = await mkdtemp(join(home, "update-"));
  try {
    const path = join(folder, "agent.tgz");
    await writeFile(path, content);
    await runTool("tar", ["-xzof", path, "-C", folder]);
    await replaceProgram(join(folder, "package"), home);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function get(identity: AgentIdentity, path: string, signal: AbortSignal): Promise<HttpContent> {
  const url = addressOn(identity.serverUrl, path);
  let answer: HttpContent;
  try {
    answer = await getContent(url, signal);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new OperationalError("no-package", `${url.href} cannot be fetched: ${why}`, { cause: error });
  }
  if (answer.status === 200) return answer;
  throw new OperationalError(
    "no-package",
    `${url.href} answers with ${answer.status}: this server hands out no agent. Ask whoever runs the co-op.`,
  );
}

const refused = (why: string): OperationalError =>
  new OperationalError("package-refused", `Nothing was changed: ${why}.`);
