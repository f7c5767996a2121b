import { mkdir, mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { CliError } from "../cli-error.ts";
import { MEMBERS } from "./workload.ts";
import type { MemberClients } from "./work.ts";

/**
 * Saves each member's statement as a page.
 * @param folder null: a new one among the system's temporary files
 * @returns the files
 * @throws CliError `file-unwritable`
 */
export async function saveStatements(clients: MemberClients, folder: string | null): Promise<string[]> {
  const pages = await Promise.all(
    MEMBERS.map(async (member) => [member, await clients[member].text("/v1/statement?format=html")] as const),
  );
  try {
    const place = folder === null ? await mkdtemp(join(tmpdir(), "coop-statements-")) : resolve(folder);
    await mkdir(place, { recursive: true });
    return await Promise.all(
      pages.map(async ([member, page]) => {
        const path = join(place, `${member}.html`);
        await writeFile(path, page);
        return path;
      }),
    );
  } catch (error) {
    throw new CliError("file-unwritable", `The statements cannot be saved: ${String(error)}`, error);
  }
}
