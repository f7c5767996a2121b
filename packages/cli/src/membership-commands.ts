import type { Command } from "commander";
import { durationUpTo, jsonOption, privacyOption, wholeNumber } from "./command-options.ts";
import type { JsonFlag } from "./command-options.ts";
import { contextOf } from "./commands/context.ts";
import type { CommandContext, ContextDeps } from "./commands/context.ts";
import { createKey, listKeys, revokeKey, rotateKey } from "./commands/keys.ts";
import { addMember, listMembers, setDisabled, showMember } from "./commands/members.ts";

/** Longest times that the co-op takes, days. */
const LONGEST_KEY_DAYS = 3_650;
const LONGEST_OVERLAP_DAYS = 30;

const contextFor = (deps: ContextDeps, { json }: JsonFlag): Promise<CommandContext> =>
  contextOf(deps, json === true);

interface AddFlags extends JsonFlag {
  readonly quota?: number;
  readonly operator?: true;
}

/** `coop members`. */
export function addMembers(program: Command, deps: ContextDeps): void {
  const members = program.command("members").description("members of the co-op (operators only)");
  members
    .command("add")
    .description("add a member")
    .argument("<name>", "how the member is called")
    .option("--quota <tokens>", "most tokens a month (default: no limit)", wholeNumber)
    .option("--operator", "may manage members, keys and nodes")
    .addOption(jsonOption())
    .addHelpText("after", "\nExample:\n  coop members add maja --quota 20000000")
    .action(async (name: string, flags: AddFlags) =>
      addMember(await contextFor(deps, flags), {
        name,
        operator: flags.operator === true,
        quotaTokens: flags.quota ?? null,
      }),
    );
  members
    .command("list", { isDefault: true })
    .description("list the members")
    .addOption(jsonOption())
    .action(async (flags: JsonFlag) => listMembers(await contextFor(deps, flags)));
  members
    .command("show")
    .description("show a member, the tokens of the month, and the keys")
    .argument("<member>", "name or id")
    .addOption(jsonOption())
    .addHelpText("after", "\nExample:\n  coop members show maja")
    .action(async (member: string, flags: JsonFlag) => showMember(await contextFor(deps, flags), member));
  members
    .command("disable")
    .description("refuse a member's keys from now on, and end what they have open")
    .argument("<member>", "name or id")
    .addOption(jsonOption())
    .addHelpText("after", "\nThe member's machines serve on, and so do detached jobs.")
    .action(async (member: string, flags: JsonFlag) =>
      setDisabled(await contextFor(deps, flags), member, true),
    );
  members
    .command("enable")
    .description("let a disabled member's keys serve again")
    .argument("<member>", "name or id")
    .addOption(jsonOption())
    .action(async (member: string, flags: JsonFlag) =>
      setDisabled(await contextFor(deps, flags), member, false),
    );
}

interface CreateFlags extends JsonFlag {
  readonly privacy?: string;
  readonly expires?: number;
}

/** `coop keys`. */
export function addKeys(program: Command, deps: ContextDeps): void {
  const keys = program.command("keys").description("API keys (operators only)");
  keys
    .command("create")
    .description("make a key for a member; it is shown once")
    .argument("<member>", "name or id")
    .addOption(privacyOption())
    .option(
      "--expires <time>",
      "how long it serves, such as 90d (default: until it is revoked)",
      durationUpTo(LONGEST_KEY_DAYS),
    )
    .addOption(jsonOption())
    .addHelpText("after", "\nExample:\n  coop keys create maja --expires 90d > maja.key")
    .action(async (member: string, flags: CreateFlags) =>
      createKey(await contextFor(deps, flags), member, {
        privacy: flags.privacy ?? null,
        expiresInSeconds: flags.expires ?? null,
      }),
    );
  keys
    .command("list")
    .description("list a member's keys, without their secrets")
    .argument("<member>", "name or id")
    .addOption(jsonOption())
    .action(async (member: string, flags: JsonFlag) => listKeys(await contextFor(deps, flags), member));
  keys
    .command("rotate")
    .description("replace a key by a new one, which is shown once")
    .argument("<key>", "the key's id, the part between the first two underscores")
    .option(
      "--overlap <time>",
      "how long the old one goes on, such as 2h (default: not at all)",
      durationUpTo(LONGEST_OVERLAP_DAYS),
      0,
    )
    .addOption(jsonOption())
    .action(async (key: string, flags: JsonFlag & { readonly overlap: number }) =>
      rotateKey(await contextFor(deps, flags), key, flags.overlap),
    );
  keys
    .command("revoke")
    .description("make a key serve no longer, and end what it has open")
    .argument("<key>", "the key's id, the part between the first two underscores")
    .addOption(jsonOption())
    .action(async (key: string, flags: JsonFlag) => revokeKey(await contextFor(deps, flags), key));
}
