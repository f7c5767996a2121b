import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { OperationalError } from "@coop/core";
import type { AgentPackage } from "@coop/core";
import { z } from "zod";
import { isMissing } from "./file-errors.ts";

const besideSchema = z.object({ version: z.string().min(1) });

/** Where `npm run build` leaves the agent: beside a bundled server, or below the repository of one that runs from its sources. */
const USUAL_PLACES = ["..", "../../../dist"].map((folder) =>
  join(import.meta.dirname, folder, "coop-agent.tgz"),
);

/**
 * The agent that this server hands out; null when none was built.
 * @param path where it is, null for the usual places
 * @throws OperationalError `agent-package` when one was named and is not there, or lacks its version
 */
export async function loadAgentPackage(path: string | null): Promise<AgentPackage | null> {
  for (const place of path === null ? USUAL_PLACES : [path]) {
    const content = await readIfThere(place);
    if (content === null) continue;
    const beside = join(dirname(place), "coop-agent.json");
    const text = await readIfThere(beside);
    const version = text === null ? null : besideSchema.parse(JSON.parse(text.toString("utf8"))).version;
    if (version === null) throw unusable(`${beside}, which says its version, is missing beside ${place}`);
    const sha256 = createHash("sha256").update(content).digest("hex");
    return { version, sha256, content: new Uint8Array(content) };
  }
  if (path !== null) throw unusable(`${path}, which COOP_AGENT_PACKAGE names, is not there`);
  return null;
}

async function readIfThere(path: string): Promise<Buffer | null> {
  try {
    return await readFile(path);
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
}

const unusable = (what: string): OperationalError =>
  new OperationalError(
    "agent-package",
    `The agent to hand out cannot be used: ${what}. Build it: npm run build.`,
  );
