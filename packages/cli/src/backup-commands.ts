import type { Command } from "commander";
import { backUp, restore } from "./backup/backup.ts";
import { contextOf } from "./commands/context.ts";
import type { ContextDeps } from "./commands/context.ts";
import { userPath } from "./invocation.ts";

/** `coop backup` and `coop restore`, on the server's machine. */
export function addBackup(program: Command, deps: ContextDeps): void {
  const { environment, home, output } = deps;
  program
    .command("backup")
    .description(
      "write everything that the co-op keeps into one file, and check that it can be read (on the server's machine)",
    )
    .argument("<file>", "the file to write, such as coop.tgz")
    .option("--stopped", "the server is stopped: copy its folder as it lies")
    .addHelpText(
      "after",
      "\nThe file holds the co-op's keys and its members' data: keep it where you keep secrets.\n\nExamples:\n  coop backup ~/backups/coop-$(date +%F).tgz\n  coop backup --stopped coop.tgz",
    )
    .action(async (file: string, { stopped }: { readonly stopped?: true }) => {
      const client = stopped === true ? null : (await contextOf(deps, false)).client;
      const nowMs = Date.now();
      await backUp({ home, environment, output, nowMs, file: userPath(environment, file), client });
    });
  program
    .command("restore")
    .description("put a backup into the co-op's folder, which must be empty (COOP_HOME says where it is)")
    .argument("<file>", "a file that coop backup wrote")
    .addHelpText("after", "\nExample:\n  COOP_HOME=/var/lib/coop coop restore coop.tgz")
    .action(async (file: string) =>
      restore({ home, environment, output, nowMs: Date.now(), file: userPath(environment, file) }),
    );
}
