/** Who the server is to its nodes: an ed25519 key whose public half's SHA-256 a join token carries. */
export interface ServerIdentity {
  /** SHA-256 of the SPKI DER public key, hex. */
  readonly serverId: string;
  /** SPKI DER, base64. */
  readonly publicKey: string;
  /** Ed25519 signature over UTF-8 text, base64. */
  sign(text: string): string;
}
