import { erasureViewSchema, memberViewSchema } from "@coop/protocol";
import { CliError } from "../cli-error.ts";
import { plural } from "../output.ts";
import type { CommandContext } from "./context.ts";

/** Asks whoever sits at the terminal; null where nobody does. */
export type Ask = ((question: string) => Promise<string>) | null;

/** A member may have left ten thousand jobs. */
const ERASE_PATIENCE_MS = 5 * 60_000;

/**
 * Erases a member, once somebody said so.
 * @param sure no question is asked
 * @throws CliError `not-confirmed` when nobody said so; nothing was erased
 */
export async function eraseMember(
  { client, output, json }: CommandContext,
  wanted: string,
  sure: boolean,
  ask: Ask,
): Promise<void> {
  const path = `/admin/members/${encodeURIComponent(wanted)}`;
  if (!sure) await confirm((await client.get(path, memberViewSchema)).name, ask);
  const response = await client.send("DELETE", path, ERASE_PATIENCE_MS);
  const erased = erasureViewSchema.parse(await response.json());
  if (json) {
    output.json(erased);
    return;
  }
  const what = [plural(erased.jobs, "job"), plural(erased.keys, "key"), plural(erased.nodes, "node")];
  output.line(`Erased: ${what.join(", ")}. What is left are counts, under the name ${erased.name}.`);
  if (erased.journal === "kept") {
    output.line(
      "Redis did not rewrite its append-only file, which still holds what was removed: erase again in a minute, or run BGREWRITEAOF.",
    );
  }
}

async function confirm(name: string, ask: Ask): Promise<void> {
  if (ask === null) {
    throw new CliError(
      "not-confirmed",
      `Nothing was erased: nobody is at a terminal to confirm it. With --yes no question is asked.`,
    );
  }
  const answer = await ask(
    `This ends what ${name} has under way, and removes their prompts, answers, keys, machines and name for good.\nType the member's name to go on: `,
  );
  if (answer.trim() !== name)
    throw new CliError(
      "not-confirmed",
      `Nothing was erased: ${JSON.stringify(answer.trim())} is not ${name}.`,
    );
}
