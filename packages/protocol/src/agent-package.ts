import { z } from "zod";

/** Where a server hands out its agent, an npm tarball, and what it says of it. */
export const AGENT_PACKAGE_PATH = "/install/agent.tgz";
export const AGENT_PACKAGE_INFO_PATH = "/install/agent.json";

/** `GET /install/agent.json`: the agent that the server hands out, vouched for by the server's identity. */
export const agentPackageSchema = z.object({
  version: z.string().min(1).max(50),
  /** Of the tarball, hex. */
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  bytes: z.number().int().positive(),
  serverId: z.string(),
  /** Ed25519 of the server over `packageText`, base64. */
  signature: z.string(),
});
export type AgentPackageInfo = z.infer<typeof agentPackageSchema>;

/** The text that a server signs for its agent: it binds the bytes to the server and to the version. */
export const packageText = (serverId: string, version: string, sha256: string): string =>
  ["coop-agent-package", serverId, version, sha256].join("\n");
