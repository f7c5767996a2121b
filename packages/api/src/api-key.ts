import { createHmac, timingSafeEqual } from "node:crypto";
import { crc32 } from "node:zlib";
import { encodeBase62 } from "./base62.ts";

/**
 * API keys: `coop_<id>_<secret><checksum>`. The secret is 32 random bytes in 43 characters of base 62; the
 * checksum is the CRC-32 of all before it in 6, so that a typo is found without asking the store. The
 * store keeps the HMAC of the secret only. Pure: no I/O.
 */

const SECRET_LENGTH = 43;
const CHECKSUM_LENGTH = 6;
const KEY_FORM = new RegExp(
  `^(coop_([0-9A-Za-z]{8,32})_([0-9A-Za-z]{${SECRET_LENGTH}}))([0-9A-Za-z]{${CHECKSUM_LENGTH}})$`,
);

export interface KeyParts {
  readonly id: string;
  readonly secret: string;
}

function checksum(text: string): string {
  const sum = Buffer.alloc(4);
  sum.writeUInt32BE(crc32(text));
  return encodeBase62(sum, CHECKSUM_LENGTH);
}

/** Writes a key. @param secretBytes 32 random bytes */
export function makeKey(
  id: string,
  secretBytes: Uint8Array,
): { readonly text: string; readonly secret: string } {
  const secret = encodeBase62(secretBytes, SECRET_LENGTH);
  const body = keyPrefix(id) + secret;
  return { text: body + checksum(body), secret };
}

/** How a key begins, without anything of its secret. */
export const keyPrefix = (id: string): string => `coop_${id}_`;

/** Reads a key; null when it is none or a character of it is wrong. */
export function parseKey(text: string): KeyParts | null {
  const match = KEY_FORM.exec(text);
  const [, body = "", id = "", secret = "", sum = ""] = match ?? [];
  return match !== null && checksum(body) === sum ? { id, secret } : null;
}

/** HMAC-SHA256 of a secret under the co-op's pepper, hex: what a store keeps of it. */
export const digestSecret = (pepper: Uint8Array, secret: string): string =>
  createHmac("sha256", pepper).update(secret).digest("hex");

/** Whether a secret has this digest, in a time that does not depend on where they differ. */
export function secretMatches(pepper: Uint8Array, secret: string, digest: string): boolean {
  const given = Buffer.from(digestSecret(pepper, secret), "hex");
  const stored = Buffer.from(digest, "hex");
  return given.length === stored.length && timingSafeEqual(given, stored);
}
