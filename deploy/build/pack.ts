import { readdir } from "node:fs/promises";
import { join, relative } from "node:path";
import { create } from "tar";

/** A fixed time for every file: the archive says what it holds, not when it was made. */
const NO_TIME = new Date(0);

/** Packs a folder of files as an npm tarball: the same files give the same bytes. */
export async function pack(folder: string, path: string): Promise<void> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const names = entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .toSorted();
  const options = { cwd: folder, file: path, prefix: "package", portable: true, mtime: NO_TIME, gzip: true };
  await create(options, names);
}
