import type { Command } from "commander";
import { jsonOption } from "./command-options.ts";
import type { JsonFlag } from "./command-options.ts";
import { contextOf } from "./commands/context.ts";
import type { ContextDeps } from "./commands/context.ts";
import { drainNode } from "./commands/drain-node.ts";
import { inviteNode, listNodes } from "./commands/nodes.ts";

/** `coop nodes` and `coop invite-node`. */
export function addNodes(program: Command, deps: ContextDeps): void {
  const nodes = program
    .command("nodes")
    .description("list the machines that serve, their models and how fast they are")
    .addOption(jsonOption())
    .addHelpText("after", "\nExamples:\n  coop nodes\n  coop nodes drain attic")
    .action(async ({ json }: JsonFlag) => listNodes(await contextOf(deps, json === true)));
  const acts = [
    ["drain", "let a node finish what it runs and take nothing new (operators only)"],
    ["undrain", "let a drained node take jobs again (operators only)"],
  ] as const;
  for (const [act, description] of acts) {
    nodes
      .command(act)
      .description(description)
      .argument("<node>", "the node's name or id")
      .addOption(jsonOption())
      .addHelpText("after", `\nExample:\n  coop nodes ${act} attic`)
      .action(async (node: string, _: unknown, command: Command) => {
        const { json } = command.optsWithGlobals<JsonFlag>();
        await drainNode(await contextOf(deps, json === true), node, act);
      });
  }
  program
    .command("invite-node")
    .description("make a join token for a machine (operators only)")
    .option("--member <name>", "whose machine it is (default: yours)")
    .addOption(jsonOption())
    .addHelpText("after", "\nExample:\n  coop invite-node --member maja")
    .action(async ({ member, json }: JsonFlag & { readonly member?: string }) =>
      inviteNode(await contextOf(deps, json === true), member ?? null),
    );
}
