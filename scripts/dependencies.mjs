// Installs the libraries when what they are derived from has changed since the last time.
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { runCaptured } from "./child.mjs";
import { withLock } from "./lock.mjs";
import {
  environmentWithHome,
  registrySettings,
  requireWritableFolder,
  root,
  SetupError,
  toolsFolder,
} from "./toolchain.mjs";

// Inside node_modules, so that removing that folder also forgets that it was complete.
const stampFile = join(root, "node_modules", ".installed");

/** @param {import("./toolchain.mjs").Toolchain} toolchain */
export async function installDependencies(toolchain) {
  if (isInstalled()) return;
  requireWritableFolder();
  await withLock(join(toolsFolder, "setup.lock"), async () => {
    if (isInstalled()) return;
    const startedMs = Date.now();
    process.stderr.write("Installing the libraries of pnpm-lock.yaml ...");
    const home = environmentWithHome();
    const env = {
      ...(await registrySettings()),
      ...home,
      PATH: toolchain.env.PATH,
      CI: "true",
      // Versions were old enough when they entered the lockfile; asking again costs a request for each.
      pnpm_config_minimum_release_age: "0",
      pnpm_config_fetch_retries: "2",
      pnpm_config_fetch_retry_mintimeout: "1000",
      pnpm_config_fetch_retry_maxtimeout: "5000",
    };
    const result = await runCaptured(toolchain.pnpm, ["install", "--frozen-lockfile"], root, env);
    if (result.exitCode !== 0) throw new SetupError(explain(result.output));
    writeFileSync(stampFile, stamp());
    process.stderr.write(` ${((Date.now() - startedMs) / 1000).toFixed(1)} s\n`);
  });
}

function isInstalled() {
  return existsSync(stampFile) && readFileSync(stampFile, "utf8") === stamp();
}

/** A digest of everything that decides what is installed. */
function stamp() {
  const packages = readdirSync(join(root, "packages")).map((name) => `packages/${name}/package.json`);
  const hash = createHash("sha256").update(`${process.platform}-${process.arch}\n`);
  for (const name of ["pnpm-lock.yaml", "pnpm-workspace.yaml", "package.json", ...packages.sort()]) {
    const file = join(root, name);
    if (existsSync(file)) hash.update(name).update("\n").update(readFileSync(file));
  }
  return hash.digest("hex");
}

/** @param {string} output */
function explain(output) {
  const advice = output.includes("OUTDATED_LOCKFILE")
    ? "A package.json and pnpm-lock.yaml disagree: run `pnpm install` and commit the lockfile."
    : "The libraries could not be installed. Check the network, npm's registry and proxy settings " +
      "(`npm config get registry`) and the free disk space, then run the same command again.";
  return `${output.trim()}\n\n${advice}`;
}
