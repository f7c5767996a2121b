/** PROGRAM: bundles the co-op's programs. `agent`: only what a server hands to machines that join. */
import { resolve } from "node:path";
import { bundleAgent, bundlePrograms } from "./bundle.ts";

const [what, folder = resolve(import.meta.dirname, "../../dist")] = process.argv.slice(2);
if (what === "agent") await bundleAgent(folder);
else if (what === "all") await bundlePrograms(folder);
else {
  process.stderr.write(
    "build takes what to build, and where: node deploy/build/main.ts <agent|all> [FOLDER]\n",
  );
  process.exitCode = 2;
}
