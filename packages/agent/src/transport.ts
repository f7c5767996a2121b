import { isIP } from "node:net";
import { NODE_SOCKET_PATH } from "@coop/protocol";

/** Whether an agent may speak to an address, and where its socket goes. */
export type Transport =
  | { readonly kind: "usable"; readonly socketUrl: string }
  | { readonly kind: "refused"; readonly message: string };

/**
 * Without TLS everybody on the way could read prompts, so plain http and ws go to this machine only, unless the
 * owner says that the way is safe.
 */
export function transportTo(serverUrl: string, plaintextAllowed: boolean): Transport {
  const url = URL.parse(serverUrl);
  if (url === null)
    return { kind: "refused", message: `"${serverUrl}" is not an address such as https://coop.example.` };
  const secure = url.protocol === "https:" || url.protocol === "wss:";
  if (!secure && url.protocol !== "http:" && url.protocol !== "ws:") {
    return { kind: "refused", message: `${serverUrl} is neither http nor https.` };
  }
  if (!secure && !plaintextAllowed && !isLoopback(url.hostname)) {
    return {
      kind: "refused",
      message:
        `${serverUrl} has no TLS: others on the network could read prompts on their way. ` +
        "Give the server an https address, or add --allow-plaintext if the network itself is private (Tailscale, your own LAN).",
    };
  }
  return { kind: "usable", socketUrl: `${secure ? "wss" : "ws"}://${url.host}${pathBelow(url.pathname)}` };
}

const pathBelow = (basePath: string): string => `${basePath.replace(/\/+$/, "")}${NODE_SOCKET_PATH}`;

function isLoopback(hostname: string): boolean {
  if (hostname === "localhost" || hostname.endsWith(".localhost") || hostname === "[::1]") return true;
  return isIP(hostname) === 4 && hostname.startsWith("127.");
}
