import { z } from "zod";

/** Where a server proves who it is, to whoever asks with a nonce of their own in `?nonce`. */
export const SERVER_IDENTITY_PATH = "/install/identity";

/** The nonce: 128 bits or more in letters that need no escaping. */
export const identityNonceSchema = z.string().regex(/^[\w-]{22,86}$/);

/** `GET /install/identity`: the server's proof that it holds the key that its id names. */
export const serverIdentitySchema = z.object({
  serverId: z.string(),
  /** Ed25519 of the server over `identityText`, base64. */
  signature: z.string(),
});
export type ServerIdentityProof = z.infer<typeof serverIdentitySchema>;

/** The text that a server signs for who asks. It is like nothing that is signed elsewhere, so it proves nothing else. */
export const identityText = (serverId: string, nonce: string): string =>
  ["coop-server-identity", serverId, nonce].join("\n");
