// The steps of `npm run check`. All of them run, whatever the earlier ones found.
import { join } from "node:path";
import { runInForeground } from "./child.mjs";
import { root } from "./toolchain.mjs";

/** @type {[title: string, command: string, ...args: string[]][]} */
const steps = [
  ["types", "tsc", "-b"],
  ["lint", "oxlint", "--type-aware", "--deny-warnings"],
  ["format", "oxfmt", "--check"],
  ["unused code", "knip"],
];

/**
 * @param {NodeJS.ProcessEnv} env
 * @returns {Promise<number>} 0 when every step passed
 */
export async function check(env) {
  /** @type {string[]} */
  const failed = [];
  for (const [title, command, ...args] of steps) {
    console.log(`\n== ${title}: ${[command, ...args].join(" ")}`);
    const exitCode = await runInForeground(join(root, "node_modules", ".bin", command), args, env);
    if (exitCode !== 0) failed.push(title);
  }
  console.log(failed.length === 0 ? "\nAll checks passed." : `\nFailed: ${failed.join(", ")}.`);
  return failed.length === 0 ? 0 : 1;
}
