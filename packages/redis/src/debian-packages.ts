import { mkdir, mkdtemp, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { runProgram } from "./run-program.ts";

const simulatedInstall = /^Inst (\S+)/gm;

/**
 * Fetches a Debian package and those of its dependencies that the system lacks, and unpacks them into
 * `target`, as an ordinary user: nothing is installed, no service is started, dpkg's lock is not needed.
 * `target` appears whole or not at all.
 *
 * @param extent `alone`: without its dependencies, for a program that runs without them
 * @throws ProgramFailure when apt-get is missing, knows no such package or cannot download.
 */
export async function unpackDebianPackage(
  name: string,
  target: string,
  extent: "whole" | "alone" = "whole",
): Promise<void> {
  const parent = join(target, "..");
  await mkdir(parent, { recursive: true });
  const scratch = await mkdtemp(join(parent, ".fetch-"));
  try {
    const archives = await download({ name, extent }, scratch);
    const root = join(scratch, "root");
    for (const archive of archives) await runProgram("dpkg", ["-x", archive, root], scratch);
    await rename(root, target);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

interface Wanted {
  readonly name: string;
  readonly extent: "whole" | "alone";
}

/** The system's package lists may be missing (slim images) or out of date: then lists of our own. */
async function download(wanted: Wanted, scratch: string): Promise<readonly string[]> {
  const shared = join(scratch, "shared");
  await mkdir(shared);
  try {
    return await downloadWith([], wanted, shared);
  } catch {
    const own = join(scratch, "own");
    await mkdir(join(own, "lists", "partial"), { recursive: true });
    await mkdir(join(own, "cache", "archives", "partial"), { recursive: true });
    const options = [
      "-o",
      `Dir::State::Lists=${join(own, "lists")}`,
      "-o",
      `Dir::Cache=${join(own, "cache")}`,
      "-o",
      "Debug::NoLocking=1",
    ];
    await runProgram("apt-get", ["-q", ...options, "update"], own);
    return await downloadWith(options, wanted, own);
  }
}

async function downloadWith(
  options: readonly string[],
  { name, extent }: Wanted,
  folder: string,
): Promise<readonly string[]> {
  const packages = extent === "alone" ? [name] : [name, ...(await missingWith(options, name, folder))];
  await runProgram("apt-get", ["-q", ...options, "download", ...new Set(packages)], folder);
  const files = await readdir(folder);
  return files.filter((file) => file.endsWith(".deb")).map((file) => join(folder, file));
}

/** A simulated installation needs no rights and names exactly the packages that are missing. */
async function missingWith(options: readonly string[], name: string, folder: string): Promise<string[]> {
  const plan = await runProgram(
    "apt-get",
    ["-q", "-s", "--no-install-recommends", ...options, "install", "--reinstall", name],
    folder,
  );
  return Array.from(plan.matchAll(simulatedInstall), ([, missing = name]) => missing);
}
