import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { cp, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
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

/** A program with the files and folders that it reads from beside itself. */
interface Program {
  readonly name: string;
  readonly source: string;
  readonly folders: readonly { readonly from: string; readonly to: string }[];
}

const AGENT: Program = { name: "agent", source: "agent/src/main.ts", folders: [] };
const SERVER: Program = {
  name: "server",
  source: "server/src/main.ts",
  folders: [
    { from: "redis/src/scripts", to: "scripts" },
    { from: "api/src/page/assets", to: "assets" },
    { from: "api/node_modules/uplot/dist/uPlot.iife.min.js", to: "assets/uplot.js" },
    { from: "api/node_modules/uplot/dist/uPlot.min.css", to: "assets/uplot.css" },
    { from: "server/node_modules/@bull-board/ui/dist", to: "queue-board/dist" },
  ],
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
    // Bull Board evaluates where its page lies only where nothing tells it.
    checks: { eval: false },
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
 * `coop-agent.json` its version. The same sources give the same bytes, so one that is there stays.
 */
export async function bundleAgent(directory: string): Promise<void> {
  const version = `${VERSION}+${await buildOf(["agent", "core", "protocol"])}`;
  const tarball = join(directory, "coop-agent.tgz");
  const beside = join(directory, "coop-agent.json");
  const wanted = `${JSON.stringify({ version })}\n`;
  if (existsSync(tarball) && existsSync(beside) && (await readFile(beside, "utf8")) === wanted) return;
  await mkdir(directory, { recursive: true });
  const draft = await mkdtemp(join(directory, ".agent-"));
  try {
    const folder = join(draft, "package");
    await bundle(AGENT, folder, version);
    await pack(folder, join(draft, "agent.tgz"));
    await writeFile(join(draft, "agent.json"), wanted);
    await rename(join(draft, "agent.tgz"), tarball);
    await rename(join(draft, "agent.json"), beside);
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
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

/** Everything that a server's image needs: `server`, `coop` and the agent to hand out. */
export async function bundlePrograms(directory: string): Promise<void> {
  await Promise.all([
    bundle(SERVER, join(directory, SERVER.name)),
    bundle(COOP, join(directory, COOP.name)),
    bundleAgent(directory),
  ]);
}
