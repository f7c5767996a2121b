import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import {
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { OperationalError, type Clock } from "@coop/core";

/**
 * Encrypts prompts and outputs at rest, each day with a key of its own. The keys lie in files outside
 * Redis, shared by every process of the server, so that removing a day's key makes everything of that day
 * unreadable for good, wherever a copy of the data remains (short of a copy of the key's file).
 */
export interface Vault {
  /** Encrypts under the current day's key (UTC). The answer is ASCII text. */
  seal(plain: string): string;
  /** Null when its day was shredded. @throws OperationalError `sealed-damaged` when it was altered. */
  open(sealed: string): string | null;
  /** Removes the keys of all days before `beforeDay` (`YYYY-MM-DD`, UTC). Answers with the days. */
  shred(beforeDay: string): readonly string[];
}

const algorithm = "aes-256-gcm";
const keyBytes = 32;
const nonceBytes = 12;
/** Nonces drawn from the system at once: one call for many. */
const noncesDrawn = 256;
const dayMs = 24 * 3600 * 1000;
const tagBytes = 16;
const envelope = /^c1\.(\d{4}-\d{2}-\d{2})\.([A-Za-z0-9+/]+={0,2})$/;
const keyFile = /^(\d{4}-\d{2}-\d{2})\.key$/;

/** @param options.directory holds the keys, one file a day readable by its owner only; created when missing */
export function createVault(options: { readonly directory: string; readonly clock: Clock }): Vault {
  const { directory, clock } = options;
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const keys = new Map<string, Buffer>();
  const nextNonce = createNonces();
  let current = { number: Number.NaN, day: "" };
  const today = (): string => {
    const nowMs = clock.now();
    const number = Math.floor(nowMs / dayMs);
    if (current.number !== number) current = { number, day: new Date(nowMs).toISOString().slice(0, 10) };
    return current.day;
  };

  const keyToSeal = (day: string): Buffer => {
    const key = keys.get(day) ?? readOrCreateKey(directory, day);
    keys.set(day, key);
    return key;
  };
  /** Another process may have shredded a past day, so its file is looked for each time. */
  const keyToOpen = (day: string): Buffer | null => {
    if (day !== today() && !existsSync(keyPath(directory, day))) keys.delete(day);
    const key = keys.get(day) ?? readKey(directory, day);
    if (key !== null) keys.set(day, key);
    return key;
  };

  return {
    seal(plain) {
      const day = today();
      const nonce = nextNonce();
      const cipher = createCipheriv(algorithm, keyToSeal(day), nonce).setAAD(Buffer.from(day));
      const body = Buffer.concat([nonce, cipher.update(plain, "utf8"), cipher.final(), cipher.getAuthTag()]);
      return `c1.${day}.${body.toString("base64")}`;
    },
    open(sealed) {
      const match = envelope.exec(sealed);
      if (match === null) throw damaged();
      const [, day = "", encoded = ""] = match;
      const key = keyToOpen(day);
      return key === null ? null : decrypt(key, day, Buffer.from(encoded, "base64"));
    },
    shred(beforeDay) {
      const days = readdirSync(directory).flatMap((name) => keyFile.exec(name)?.[1] ?? []);
      const gone = days.filter((day) => day < beforeDay);
      for (const day of gone) {
        keys.delete(day);
        overwriteAndRemove(keyPath(directory, day));
      }
      return gone;
    },
  };
}

/** Answers with a random nonce that it answers with once. */
function createNonces(): () => Buffer {
  let drawn = Buffer.alloc(0);
  let used = 0;
  return () => {
    if (used === drawn.length) {
      drawn = randomBytes(nonceBytes * noncesDrawn);
      used = 0;
    }
    used += nonceBytes;
    return drawn.subarray(used - nonceBytes, used);
  };
}

function decrypt(key: Buffer, day: string, body: Buffer): string {
  if (body.length < nonceBytes + tagBytes) throw damaged();
  try {
    const decipher = createDecipheriv(algorithm, key, body.subarray(0, nonceBytes));
    decipher.setAAD(Buffer.from(day)).setAuthTag(body.subarray(-tagBytes));
    const text = decipher.update(body.subarray(nonceBytes, -tagBytes));
    return Buffer.concat([text, decipher.final()]).toString("utf8");
  } catch (error) {
    throw damaged(error);
  }
}

const keyPath = (directory: string, day: string): string => join(directory, `${day}.key`);

/** A link appears with its content and fails when the name is taken, so all processes agree on one key. */
function readOrCreateKey(directory: string, day: string): Buffer {
  const existing = readKey(directory, day);
  if (existing !== null) return existing;
  const candidate = join(directory, `.${day}.${randomBytes(6).toString("hex")}`);
  const file = openSync(candidate, "wx", 0o600);
  try {
    writeSync(file, randomBytes(keyBytes));
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  try {
    linkSync(candidate, keyPath(directory, day));
    syncFolder(directory);
  } catch (error) {
    if (!hasCode(error, "EEXIST")) throw error;
  } finally {
    rmSync(candidate);
  }
  const agreed = readKey(directory, day);
  if (agreed === null)
    throw new OperationalError(
      "vault-key-lost",
      `The key of ${day} vanished from ${directory} right after it was made`,
    );
  return agreed;
}

function readKey(directory: string, day: string): Buffer | null {
  const path = keyPath(directory, day);
  let key: Buffer;
  try {
    key = readFileSync(path);
  } catch (error) {
    if (hasCode(error, "ENOENT")) return null;
    throw error;
  }
  if (key.length !== keyBytes) {
    throw new OperationalError(
      "vault-key-damaged",
      `${path} holds ${key.length} bytes, a key has ${keyBytes}. Restore it from a backup; without it that day's prompts and outputs are lost.`,
    );
  }
  return key;
}

/** The link itself must survive a power cut: what is sealed with a lost key is lost. */
function syncFolder(directory: string): void {
  const folder = openSync(directory, "r");
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

/** Overwriting helps on disks that write in place; elsewhere removal must do. */
function overwriteAndRemove(path: string): void {
  if (existsSync(path)) writeFileSync(path, randomBytes(statSync(path).size), { flag: "r+", flush: true });
  rmSync(path, { force: true });
}

const hasCode = (error: unknown, code: string): boolean =>
  error instanceof Error && "code" in error && error.code === code;

const damaged = (cause?: unknown): OperationalError =>
  new OperationalError("sealed-damaged", "Encrypted data in Redis was altered or belongs to another key", {
    cause,
  });
