import type { AgentPackage, ServerIdentity } from "@coop/core";
import {
  AGENT_PACKAGE_INFO_PATH,
  AGENT_PACKAGE_PATH,
  identityNonceSchema,
  identityText,
  packageText,
  SERVER_IDENTITY_PATH,
} from "@coop/protocol";
import type { AgentPackageInfo, ServerIdentityProof } from "@coop/protocol";
import { Hono } from "hono";
import type { ApiEnv } from "../deps.ts";
import { badRequest, ProblemError } from "../problem.ts";

export interface InstallRoutesDeps {
  /** Null when this server hands out none. */
  readonly agentPackage: AgentPackage | null;
  readonly serverIdentity: ServerIdentity;
}

/** The server's own agent, for machines that join with one line, and who the server is; open to everyone. */
export function installRoutes({ agentPackage, serverIdentity }: InstallRoutesDeps): Hono<ApiEnv> {
  const routes = new Hono<ApiEnv>();
  const handedOut = (): AgentPackage => {
    if (agentPackage !== null) return agentPackage;
    throw new ProblemError(404, {
      code: "no_agent_package",
      message: "This server hands out no agent: none was built beside it. On the server: npm run build.",
    });
  };
  routes.get(AGENT_PACKAGE_PATH, (c) => {
    const { content, sha256 } = handedOut();
    const etag = `"${sha256}"`;
    if (c.req.header("if-none-match") === etag) return c.body(null, 304, { ETag: etag });
    return c.body(content, 200, {
      "Content-Type": "application/gzip",
      "Cache-Control": "no-cache",
      ETag: etag,
    });
  });
  routes.get(AGENT_PACKAGE_INFO_PATH, (c) => {
    const { version, sha256, content } = handedOut();
    const { serverId } = serverIdentity;
    return c.json({
      version,
      sha256,
      bytes: content.byteLength,
      serverId,
      signature: serverIdentity.sign(packageText(serverId, version, sha256)),
    } satisfies AgentPackageInfo);
  });
  routes.get(SERVER_IDENTITY_PATH, (c) => {
    const nonce = identityNonceSchema.safeParse(c.req.query("nonce"));
    if (!nonce.success)
      throw badRequest(
        "nonce must be 22 to 86 letters, digits, - or _, made anew for this question.",
        "nonce",
      );
    const { serverId } = serverIdentity;
    const signature = serverIdentity.sign(identityText(serverId, nonce.data));
    return c.json({ serverId, signature } satisfies ServerIdentityProof, 200, {
      "Cache-Control": "no-store",
    });
  });
  return routes;
}
