import type { Command } from "commander";
import { durationUpTo, jsonOption, privacyOption } from "./command-options.ts";
import type { JsonFlag } from "./command-options.ts";
import { contextOf } from "./commands/context.ts";
import type { CommandContext, ContextDeps } from "./commands/context.ts";
import { eraseMember } from "./commands/erase-member.ts";
import type { Ask } from "./commands/erase-member.ts";
import { createKey, listKeys, revokeKey, rotateKey } from "./commands/keys.ts";
import { addMember, listMembers, setDisabled, setMember, showMember } from "./commands/members.ts";
import type { MemberOptions } from "./commands/members.ts";
import { countOrDefault, quotaOption, tierQuotaOption, weightOption } from "./limit-options.ts";

/** Longest times that the co-op takes, days. */
const LONGEST_KEY_DAYS = 3_650;
const LONGEST_OVERLAP_DAYS = 30;

const contextFor = (deps: ContextDeps, { json }: JsonFlag): Promise<CommandContext> =>
  contextOf(deps, json === true);

interface LimitFlags extends JsonFlag, Omit<MemberOptions, "name"> {
  readonly json?: true;
}

/** What may be said of a member when they are added, and later. */
const addLimitOptions = (command: Command): Command =>
  command
    .option(
      "--quota <tokens>",
      "most tokens a month: a number, share (an equal share) or unlimited",
      quotaOption,
    )
    .option(
      "--tier-quota <tier=tokens>",
      "most tokens a month for jobs that ask for a tier, none for no cap, default for the co-op's; may be repeated",
      tierQuotaOption,
    )
    .option("--jobs-at-once <n>", "most jobs that have not ended, or default", countOrDefault)
    .option("--requests-per-minute <n>", "most jobs asked for in a minute, or default", countOrDefault)
    .option("--weight <w>", "weight in the fair order; 1 is an equal share", weightOption)
    .option("--tier <tier>", "what coop/auto means: edge, local-small or local-large")
    .addOption(jsonOption());

/** `coop members`. */
export function addMembers(program: Command, deps: ContextDeps & { readonly ask: Ask }): void {
  const members = program.command("members").description("members of the co-op (operators only)");
  addLimitOptions(
    members
      .command("add")
      .description("add a member; limits that are left out follow the co-op's settings")
      .argument("<name>", "how the member is called")
      .option("--operator", "may manage members, keys and nodes"),
  )
    .addHelpText(
      "after",
      "\nExamples:\n  coop members add maja\n  coop members add ben --quota 20M --jobs-at-once 4",
    )
    .action(async (name: string, { operator, ...flags }: LimitFlags & { readonly operator?: true }) =>
      addMember(await contextFor(deps, flags), { ...flags, name, operator: operator === true }),
    );
  addLimitOptions(
    members
      .command("set")
      .description("change a member; what is left out stays as it is")
      .argument("<member>", "name or id")
      .option("--name <name>", "how the member is called from now on"),
  )
    .addHelpText(
      "after",
      `
Examples:
  coop members set maja --quota 20M --weight 2
  coop members set maja --quota share --tier-quota local-large=5M --tier-quota edge=none
  coop members set maja --jobs-at-once default --name maja2`,
    )
    .action(async (member: string, flags: LimitFlags & { readonly name?: string }) =>
      setMember(await contextFor(deps, flags), member, flags),
    );
  members
    .command("list", { isDefault: true })
    .description("list the members, with their quota and what they used of it")
    .addOption(jsonOption())
    .action(async (flags: JsonFlag) => listMembers(await contextFor(deps, flags)));
  members
    .command("show")
    .description("show a member, the month with its limits, and the keys")
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
  addErase(members, deps);
}

/** `coop members erase`. */
function addErase(members: Command, deps: ContextDeps & { readonly ask: Ask }): void {
  members
    .command("erase")
    .description("remove what a member wrote, read and is called, for good; counts and the ledger stay")
    .argument("<member>", "name or id")
    .option("--yes", "ask no question")
    .addOption(jsonOption())
    .addHelpText(
      "after",
      "\nEnds what the member has under way, and makes their keys and machines useless. An erasure that was cut short\nis finished by the same command, or when the server starts.\n\nExample:\n  coop members erase maja",
    )
    .action(async (member: string, { yes, ...flags }: JsonFlag & { readonly yes?: true }) =>
      eraseMember(await contextFor(deps, flags), member, yes === true, deps.ask),
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
    .argument("<key>", "as coop keys list shows it: coop_ID")
    .option(
      "--overlap <time>",
      "how long the old one goes on, such as 2h (default: not at all)",
      durationUpTo(LONGEST_OVERLAP_DAYS),
    )
    .addOption(jsonOption())
    .action(async (key: string, flags: JsonFlag & { readonly overlap?: number }) =>
      rotateKey(await contextFor(deps, flags), key, flags.overlap ?? 0),
    );
  keys
    .command("revoke")
    .description("make a key serve no longer, and end what it has open")
    .argument("<key>", "as coop keys list shows it: coop_ID")
    .addOption(jsonOption())
    .action(async (key: string, flags: JsonFlag) => revokeKey(await contextFor(deps, flags), key));
}
