#!/usr/bin/env node
// Runs a task of this repository on a machine that has only Node 18+ and npm.
// Plain JavaScript without dependencies: it runs on the host's Node, before anything is installed.
//
//   node scripts/run.mjs <start|test|check|demo|bench|build|dashboards|coop|agent> [arguments]
//
// toolchain.mjs     Node and pnpm, fetched into .tools when missing
// dependencies.mjs  pnpm install when the lockfile changed
// lock.mjs          one set-up at a time
// child.mjs         child processes, signals, exit codes
// check.mjs         the steps of `check`
import { join } from "node:path";
import { runCaptured, runInForeground } from "./child.mjs";
import { check } from "./check.mjs";
import { installDependencies } from "./dependencies.mjs";
import { prepareToolchain, root, SetupError } from "./toolchain.mjs";

const coop = "packages/cli/src/main.ts";

/** The program of each task and the arguments that come before the caller's. */
const programs = {
  start: [coop, "up"],
  demo: [coop, "demo"],
  coop: [coop],
  agent: ["packages/agent/src/main.ts"],
  test: ["node_modules/vitest/vitest.mjs", "run"],
  "test:browser": ["node_modules/vitest/vitest.mjs", "run", "--config", "test/browser/vitest.config.ts"],
  bench: ["test/bench/main.ts"],
  simulate: ["packages/simulator/src/run/main.ts"],
  build: ["deploy/build/main.ts", "all"],
  dashboards: ["grafana/generate.ts"],
};

/**
 * @param {string | undefined} task
 * @param {string[]} args
 * @returns {Promise<number>} the exit code
 */
async function run(task, args) {
  const program = Object.entries(programs).find(([name]) => name === task)?.[1];
  if (program === undefined && task !== "check") {
    const known = [...Object.keys(programs), "check"].sort().join(", ");
    throw new SetupError(`Unknown task "${task ?? ""}". The tasks are: ${known}.`);
  }
  const toolchain = await prepareToolchain();
  await installDependencies(toolchain);
  if (program === undefined) return check(toolchain.env);
  if (task === "start") await bundleAgent(toolchain);
  const [file = "", ...before] = program;
  return runInForeground(toolchain.node, [join(root, file), ...before, ...args], toolchain.env);
}

/**
 * Lets the server hand its agent to machines that join. Without it those need this repository, so it may fail.
 * @param {{ node: string, env: NodeJS.ProcessEnv }} toolchain
 */
async function bundleAgent({ node, env }) {
  const { exitCode, output } = await runCaptured(
    node,
    [join(root, "deploy/build/main.ts"), "agent"],
    root,
    env,
  );
  if (exitCode !== 0)
    console.error(`The agent could not be bundled, so this server hands none out:\n${output}`);
}

const [task, ...args] = process.argv.slice(2);
try {
  process.exitCode = await run(task, args);
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  console.error(`\n${error.message}`);
  process.exitCode = 1;
}
