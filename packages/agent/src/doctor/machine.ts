import { access, constants, stat } from "node:fs/promises";
import { join } from "node:path";
import { good, problem, warning } from "./finding.ts";
import type { Finding } from "./finding.ts";
import { isMissing } from "../missing-file.ts";

/** The oldest Node that the agent runs on. */
const OLDEST_NODE = 22;

/** @param version as `process.version` says it */
export function checkNode(version: string): Finding {
  const major = Number(/^v(\d+)/.exec(version)?.[1]);
  return major >= OLDEST_NODE
    ? good("Node", version)
    : problem(
        "Node",
        `${version}; the agent needs ${OLDEST_NODE} or newer`,
        "Install a newer Node from your package manager or nodejs.org.",
      );
}

/** Whether the agent can keep its files, and nobody else can read its key. */
export async function checkHome(home: string): Promise<Finding> {
  const check = "the agent's folder";
  try {
    await access(home, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error) {
    if (isMissing(error)) {
      return good(check, `${home} is made at the first start`);
    }
    return problem(
      check,
      `${home} cannot be read and written by this user`,
      `Give it to this user: sudo chown -R "$(id -un)" '${home}'`,
    );
  }
  const key = join(home, "identity.json");
  try {
    const { mode } = await stat(key);
    if ((mode & 0o077) !== 0) {
      return problem(
        check,
        `${key}, which holds this node's key, can be read by others`,
        `Close it: chmod 600 '${key}'`,
      );
    }
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
  return good(check, home);
}

const gib = (bytes: number): string => `${(bytes / 2 ** 30).toFixed(1)} GiB`;

/** Whether some model can be loaded without starving the machine. */
export function checkMemory(memory: {
  readonly totalBytes: number;
  readonly freeBytes: number;
  readonly forModelsBytes: number;
  /** What the smallest model of the engine takes when loaded; null without one. */
  readonly smallestModelBytes: number | null;
}): Finding {
  const { totalBytes, freeBytes, forModelsBytes, smallestModelBytes } = memory;
  const found = `${gib(freeBytes)} of ${gib(totalBytes)} free, ${gib(forModelsBytes)} for models`;
  if (smallestModelBytes === null) return good("memory", found);
  if (smallestModelBytes > forModelsBytes) {
    return problem(
      "memory",
      `${found}; the smallest model here takes ${gib(smallestModelBytes)}`,
      "Fetch a smaller model (ollama pull llama3.2:1b), or give models more of the memory.",
    );
  }
  if (freeBytes < totalBytes * 0.05) {
    return warning("memory", found, "Close other programs: a machine that swaps answers slowly.");
  }
  return good("memory", found);
}
