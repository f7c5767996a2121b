import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join, relative, sep } from "node:path";
import { pipeline } from "node:stream/promises";
import { z } from "zod";
import { CliError } from "../cli-error.ts";

/** The file of a backup that names every other one. */
export const CONTENTS = "backup.json";

const contentsSchema = z.object({
  /** Of the form of backups. */
  version: z.literal(1),
  madeAtMs: z.number(),
  /** Whether the store is in it; otherwise it is kept elsewhere and copied by its own tools. */
  withStore: z.boolean(),
  files: z.array(z.object({ path: z.string(), bytes: z.number(), sha256: z.string() })),
});
export type Contents = z.infer<typeof contentsSchema>;

/** Names every file of a folder in a file of its own. */
export async function writeContents(
  folder: string,
  facts: Pick<Contents, "madeAtMs" | "withStore">,
): Promise<Contents> {
  const contents: Contents = { version: 1, ...facts, files: await filesOf(folder) };
  await writeFile(join(folder, CONTENTS), `${JSON.stringify(contents, null, 2)}\n`, { mode: 0o600 });
  return contents;
}

/**
 * Compares a folder with what it says that it holds.
 * @throws CliError `bad-input` with the first file that differs
 */
export async function verifyContents(folder: string): Promise<Contents> {
  const text = await readFile(join(folder, CONTENTS), "utf8").catch((error: unknown) => {
    throw new CliError("bad-input", `This is no backup of a co-op: it has no ${CONTENTS}.`, error);
  });
  const parsed = contentsSchema.safeParse(JSON.parse(text));
  if (!parsed.success) {
    throw new CliError(
      "bad-input",
      `This backup's ${CONTENTS} cannot be read; a newer coop may have made it.`,
    );
  }
  const found = new Map((await filesOf(folder)).map((file) => [file.path, file]));
  for (const { path, bytes, sha256 } of parsed.data.files) {
    const file = found.get(path);
    if (file === undefined) throw new CliError("bad-input", `The backup is damaged: ${path} is missing.`);
    if (file.bytes !== bytes || file.sha256 !== sha256)
      throw new CliError("bad-input", `The backup is damaged: ${path} is not what was put into it.`);
  }
  return parsed.data;
}

async function filesOf(folder: string): Promise<Contents["files"]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = entries
    .filter((entry) => entry.isFile() && entry.name !== CONTENTS)
    .map((entry) => join(entry.parentPath, entry.name))
    .toSorted();
  const files: Contents["files"] = [];
  for (const path of paths) {
    const hash = createHash("sha256");
    await pipeline(createReadStream(path), hash);
    files.push({
      path: relative(folder, path).split(sep).join("/"),
      bytes: (await stat(path)).size,
      sha256: hash.digest("hex"),
    });
  }
  return files;
}
