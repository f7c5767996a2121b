import { createHash } from "node:crypto";
import { cp, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join, relative, resolve } from "node:path";
import { build } from "rolldown";
import { pack } from "./pack.ts";

/**
 * Programs as plain JavaScript with everything they import inside: Node strips types from our sources, but not
 * from anything in a `node_modules`, where an installed program lives.
 */

const packages = resolve(import.meta.dirname, "../../packages");

/** The oldest Node that a bundled program runs on. */
export const OLDEST_NODE = 22;

const VERSION = "0.1.0";

/** A program with the files that it reads from beside itself. */
interface Program {
  readonly name: string;
  readonly source: string;
  readonly folders: readonly { readonly from: string; readonly to: string }[];
}

const AGENT: Program = { name: "agent", source: "agent/src/main.ts", folders: [] };
const SERVER: Program = {
  name: "server",
  source: "server/src/main.ts",
  folders: [{ from: "redis/src/scripts", to: "scripts" }],
};
const COOP: Program = { name: "coop", source: "cli/src/main.ts", folders: [] };

/** Bundles one program into a folder, whose `main.js` then runs on any Node from OLDEST_NODE on. */
async function bundle(
  { name, source, folders }: Program,
  directory: string,
  version: string = VERSION,
): Promise<void> {
  await rm(directory, { recursive: true, force: true });
  await mkdir(directory, { recursive: true });
  await build({
    input: { program: join(packages, source) },
    platform: "node",
    transform: {
      target: `node${OLDEST_NODE}`,
      define: { COOP_AGENT_BUILD: JSON.stringify(version.split("+")[1] ?? "") },
    },
    logLevel: "warn",
    output: {
      dir: directory,
      format: "esm",
      chunkFileNames: "[name]-[hash].js",
    },
  });
  for (const { from, to } of folders)
    await cp(join(packages, from), join(directory, to), { recursive: true });
  await writeFile(join(directory, "package.json"), packageJson(name, version));
  await writeFile(join(directory, "main.js"), entry(name), { mode: 0o755 });
}

/** Tells an older Node what is missing, in words that it can read; the program itself it could not even parse. */
const entry = (name: string): string => `\
#!/usr/bin/env node
if (Number(process.versions.node.split(".")[0]) < ${OLDEST_NODE}) {
  console.error(
    "coop ${name} needs Node ${OLDEST_NODE} or newer; this is " + process.version + " (" + process.execPath + ").\\n" +
      "Install a newer one and run the same command again: brew install node (macOS), or a package from nodejs.org.",
  );
  process.exit(1);
}
await import("./program.js");
`;

const packageJson = (name: string, version: string): string =>
  `${JSON.stringify(
    {
      name: `coop-${name}`,
      version,
      description: `The co-op cluster's ${name}.`,
      type: "module",
      private: true,
      bin: { [name]: "main.js" },
      engines: { node: `>=${OLDEST_NODE}` },
    },
    null,
    2,
  )}\n`;

/**
 * The agent as an npm tarball, `coop-agent.tgz`, as a server hands it to machines that join, and beside it in
 * `coop-agent.json` its version. The same sources give the same bytes.
 */
export async function bundleAgent(directory: string): Promise<void> {
  const folder = join(directory, AGENT.name);
  const version = `${VERSION}+${await buildOf(["agent", "core", "protocol"])}`;
  await bundle(AGENT, folder, version);
  await pack(folder, join(directory, "coop-agent.tgz"));
  await writeFile(join(directory, "coop-agent.json"), `${JSON.stringify({ version })}\n`);
}

/** Names the sources of some packages and what they depend on: eight digits that change with any of them. */
async function buildOf(names: readonly string[]): Promise<string> {
  const hash = createHash("sha256");
  hash.update(await readFile(join(packages, "..", "pnpm-lock.yaml")));
  for (const name of names) {
    const folder = join(packages, name, "src");
    const entries = await readdir(folder, { recursive: true, withFileTypes: true });
    const sources = entries
      .filter((entry) => entry.isFile() && !entry.name.endsWith(".test.ts"))
      .map((entry) => join(entry.parentPath, entry.name))
      .toSorted();
    for (const path of sources) hash.update(`${relative(packages, path)}\n`).update(await readFile(path));
  }
  return hash.digest("hex").slice(0, 8);
}

/** Everything that a server's image needs: `server`, `coop`, `agent` and `coop-agent.tgz`. */
export async function bundlePrograms(directory: string): Promise<void> {
  await Promise.all([
    bundle(SERVER, join(directory, SERVER.name)),
    bundle(COOP, join(directory, COOP.name)),
    bundleAgent(directory),
  ]);
}
