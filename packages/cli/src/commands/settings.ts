import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { text } from "node:stream/consumers";
import { settingsViewSchema } from "@coop/protocol";
import type { SettingsView } from "@coop/protocol";
import { CliError } from "../cli-error.ts";
import type { Environment } from "../home.ts";
import { userPath } from "../invocation.ts";
import { count, renderTable } from "../output.ts";
import type { Output } from "../output.ts";
import type { CommandContext } from "./context.ts";

const SERVER = resolve(import.meta.dirname, "../../../server/src/main.ts");
const HOUR_MS = 3_600_000;

/** Prints the settings that the running server read when it started. */
export async function showSettings({ client, output, json }: CommandContext): Promise<void> {
  const settings = await client.get("/admin/settings", settingsViewSchema);
  if (json) {
    output.json(settings);
    return;
  }
  for (const [name, value] of lines(settings)) output.line(`${name.padEnd(NAME_WIDTH)}${value}`);
  output.line();
  const { currency, machines, cloudPrices } = settings.money;
  const machineRows = Object.entries(machines).map(([name, { price, busyWatts, idleWatts }]) => [
    name,
    count(price),
    String(busyWatts),
    String(idleWatts),
  ]);
  output.line(`Machines, prices in ${currency}`);
  const right = { align: "right" } as const;
  const machineColumns = [
    { heading: "MACHINE" },
    { heading: "PRICE", ...right },
    { heading: "BUSY W", ...right },
    { heading: "IDLE W", ...right },
  ];
  for (const line of renderTable(machineColumns, machineRows)) output.line(line);
  output.line();
  output.line(`Cloud prices to compare with, ${currency} for a million tokens`);
  const priceColumns = [{ heading: "NAME" }, { heading: "INPUT", ...right }, { heading: "OUTPUT", ...right }];
  const priceRows = cloudPrices.map(({ name, inputPerMillion, outputPerMillion }) => [
    name,
    String(inputPerMillion),
    String(outputPerMillion),
  ]);
  for (const line of renderTable(priceColumns, priceRows)) output.line(line);
}

const NAME_WIDTH = 28;

function lines({
  quotas,
  contribution,
  money,
  ...settings
}: SettingsView): readonly (readonly [string, string])[] {
  const caps = inWords(quotas.tierTokensPerMonth);
  return [
    ["co-op", settings.name],
    ["time zone", settings.timeZone],
    ["tokens a month", monthlyTokens(quotas.tokensPerMonth)],
    ["tokens a month by tier", caps === "" ? "no caps" : caps],
    ["jobs at once", limit(quotas.jobsAtOnce)],
    ["requests a minute", limit(quotas.requestsPerMinute)],
    ["credit for 1,000 tokens", inWords(contribution.creditPerMille)],
    ["prompts and answers kept", retention(settings.retentionMs)],
    ["electricity", `${money.electricityPerKwh} ${money.currency}/kWh`],
    ["hardware written off over", `${money.hardwareMonths} months`],
    ["other costs a month", `${count(money.otherPerMonth)} ${money.currency}`],
  ];
}

const limit = (value: number | null): string => (value === null ? "unlimited" : count(value));

function monthlyTokens(quota: SettingsView["quotas"]["tokensPerMonth"]): string {
  switch (quota.kind) {
    case "equal-share":
      return `an equal share of ${quota.shareOfCapacity === 1 ? "all" : `${Math.round(quota.shareOfCapacity * 100)} % of what`} the machines can make`;
    case "tokens":
      return count(quota.tokens);
    case "unlimited":
      return "unlimited";
  }
}

const inWords = (byTier: Readonly<Record<string, number | undefined>>): string =>
  Object.entries(byTier)
    .map(([tier, tokens]) => `${tier} ${count(tokens ?? 0)}`)
    .join(", ");

const retention = (ms: number): string =>
  ms === 0
    ? "until they were delivered, unread ones for 24 h"
    : `${Math.round((ms / HOUR_MS) * 100) / 100} h`;

/**
 * Has the server's program read a `coop.yaml` without starting.
 * @param file null: the one of the co-op's home
 * @throws CliError `bad-input` with each line and field at fault
 */
export async function checkSettings(
  environment: Environment,
  output: Output,
  file: string | null,
): Promise<void> {
  if (!existsSync(SERVER)) {
    throw new CliError(
      "program-failed",
      "The server's program is not here: run its own `check-settings` on the machine that has it.",
    );
  }
  const args = file === null ? [] : [userPath(environment, file)];
  const child = spawn(process.execPath, [SERVER, "check-settings", ...args], {
    env: { ...environment },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const [said, complained, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, "exit") as Promise<[number | null]>,
  ]);
  if (code !== 0) throw new CliError("bad-input", complained.replace(/^coop server: /, "").trimEnd());
  output.text(said);
}
