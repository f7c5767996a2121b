import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  randomBytes,
  sign,
} from "node:crypto";
import { link, mkdir, open, readFile, unlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { ServerIdentity } from "@coop/core";
import { isMissing, isTaken } from "./file-errors.ts";

/** What the server must keep and never show, in files only its user can read. */
export interface Secrets {
  readonly identity: ServerIdentity;
  /** Key of the HMAC under which API keys are stored. */
  readonly pepper: Uint8Array;
  /** Key of the HMAC that chains the audit log. */
  readonly auditKey: Uint8Array;
}

/** Reads the secrets below `directory`, making each on first use. Safe when several processes start at once. */
export async function loadSecrets(directory: string): Promise<Secrets> {
  const pem = await readOrCreate(join(directory, "identity.pem"), () =>
    generateKeyPairSync("ed25519").privateKey.export({ type: "pkcs8", format: "pem" }),
  );
  return {
    identity: serverIdentity(pem),
    pepper: await randomKey(join(directory, "pepper")),
    auditKey: await randomKey(join(directory, "audit-key")),
  };
}

const randomKey = async (path: string): Promise<Uint8Array> =>
  Buffer.from((await readOrCreate(path, () => randomBytes(32).toString("hex"))).trim(), "hex");

function serverIdentity(pem: string): ServerIdentity {
  const privateKey = createPrivateKey(pem);
  const der = createPublicKey(privateKey).export({ type: "spki", format: "der" });
  return {
    serverId: createHash("sha256").update(der).digest("hex"),
    publicKey: der.toString("base64"),
    sign: (text) => sign(null, Buffer.from(text, "utf8"), privateKey).toString("base64"),
  };
}

/**
 * The file's text, or that of a new one. The first process to link its finished file into place wins, so
 * that nobody reads half a secret and all agree on one.
 */
export async function readOrCreate(path: string, make: () => string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const draft = `${path}.${randomBytes(6).toString("hex")}`;
  const file = await open(draft, "wx", 0o600);
  try {
    await file.writeFile(make());
    await file.sync();
  } finally {
    await file.close();
  }
  try {
    await link(draft, path);
  } catch (error) {
    if (!isTaken(error)) throw error;
  } finally {
    await unlink(draft);
  }
  return readFile(path, "utf8");
}
