import { lstatSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rename, writeFile } from "node:fs/promises";
import { tmpdir, userInfo } from "node:os";
import { dirname, join } from "node:path";
import { z } from "zod";
import type { RedisPlace } from "./redis-process.ts";

const recordSchema = z.object({ socketPath: z.string() });

/** What fits `sun_path` on every platform, bytes. */
const maxSocketPathBytes = 103;

/**
 * Where the Redis of a data directory listens: as its last start noted, if that folder is still ours
 * alone, so that connections survive a restart; else in a new private folder under the temporary one
 * (data directories lie too deep for a socket's path).
 */
export async function socketPlace(directory: string): Promise<RedisPlace> {
  const noted = await notedSocket(directory);
  if (noted !== null && (await isPrivateFolder(dirname(noted)))) return { directory, socketPath: noted };
  const fits = Buffer.byteLength(join(tmpdir(), "coop-redis-XXXXXX", "redis.sock")) <= maxSocketPathBytes;
  const folder = await mkdtemp(join(fits ? tmpdir() : "/tmp", "coop-redis-"));
  const socketPath = join(folder, "redis.sock");
  const record = join(directory, "socket.json");
  await writeFile(`${record}.new`, JSON.stringify({ socketPath } satisfies z.infer<typeof recordSchema>));
  await rename(`${record}.new`, record);
  return { directory, socketPath };
}

async function notedSocket(directory: string): Promise<string | null> {
  try {
    const text = await readFile(join(directory, "socket.json"), "utf8");
    return recordSchema.parse(JSON.parse(text)).socketPath;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return null;
    throw error;
  }
}

/** A temporary folder may have been cleared away; one that others can write to is not used. */
async function isPrivateFolder(folder: string): Promise<boolean> {
  try {
    await mkdir(folder, { mode: 0o700 });
    return true;
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) return false;
  }
  const stat = lstatSync(folder);
  return stat.isDirectory() && stat.uid === userInfo().uid && (stat.mode & 0o077) === 0;
}
