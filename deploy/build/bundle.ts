import { cp, mkdir, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { build } from "rolldown";
import { pack } from "./pack.ts";

/**
 * Programs as plain JavaScript with everything they import inside: Node strips types from our sources, but not
 * from anything in a `node_modules`, where an installed program lives.
 */

const packages = resolve(import.meta.dirname, "../../packages");

/** The oldest Node that a bundled program runs on. */
export const OLDEST_NODE = 22;

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
async function bundle({ name, source, folders }: Program, directory: string): Promise<void> {
  await rm(directory, { recursive: true, force: true });
  await mkdir(directory, { recursive: true });
  await build({
    input: { program: join(packages, source) },
    platform: "node",
    transform: { target: `node${OLDEST_NODE}` },
    logLevel: "warn",
    output: {
      dir: directory,
      format: "esm",
      chunkFileNames: "[name]-[hash].js",
    },
  });
  for (const { from, to } of folders)
    await cp(join(packages, from), join(directory, to), { recursive: true });
  await writeFile(join(directory, "package.json"), packageJson(name));
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

const packageJson = (name: string): string =>
  `${JSON.stringify(
    {
      name: `coop-${name}`,
      version: "0.1.0",
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
 * The agent as an npm tarball, `coop-agent.tgz`, as a server hands it to machines that join. The same sources give
 * the same bytes.
 */
export async function bundleAgent(directory: string): Promise<void> {
  const folder = join(directory, AGENT.name);
  await bundle(AGENT, folder);
  await pack(folder, join(directory, "coop-agent.tgz"));
}

/** Everything that a server's image needs: `server`, `coop`, `agent` and `coop-agent.tgz`. */
export async function bundlePrograms(directory: string): Promise<void> {
  await Promise.all([
    bundle(SERVER, join(directory, SERVER.name)),
    bundle(COOP, join(directory, COOP.name)),
    bundleAgent(directory),
  ]);
}
