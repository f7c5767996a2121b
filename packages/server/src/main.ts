/**
 * PROGRAM: the co-op's server. Says on stdout when it is ready; logs JSON lines to stderr.
 * `check-settings [FILE]` only tells whether a `coop.yaml` can be read; `check-home FOLDER` whether all is well in the
 * folder of a co-op that does not run, as JSON.
 */
import { join, resolve } from "node:path";
import { findMachineProfile, OperationalError } from "@coop/core";
import { destination, pino } from "pino";
import { checkHome } from "./check-home.ts";
import { readConfig } from "./config.ts";
import type { ServerConfig } from "./config.ts";
import { KEY_PREFIX, startServer } from "./server.ts";
import { checkSettings } from "./settings/load.ts";

async function main(): Promise<void> {
  const config = readConfig(process.env, process.platform);
  const [command, file] = process.argv.slice(2);
  if (command === "check-settings") await check(file ?? config.settingsPath, config);
  else if (command === "check-home" && file !== undefined) await tellOfHome(resolve(file), config);
  else await serve(config);
}

async function check(path: string, config: ServerConfig): Promise<void> {
  const { money } = await checkSettings(path, config.machineTimeZone);
  process.stdout.write(`${path}: everything in it can be read\n`);
  const names = Object.keys(money.machines).filter((name) => findMachineProfile(name) === null);
  if (names.length > 0)
    process.stdout.write(`  money.machines: no kinds of machines, so names of nodes: ${names.join(", ")}\n`);
}

async function tellOfHome(home: string, config: ServerConfig): Promise<void> {
  const log = pino({ level: "warn", base: null }, destination(2));
  const found = await checkHome({
    home,
    cache: join(config.cache, "redis"),
    prefix: KEY_PREFIX,
    clock: { now: () => Date.now() },
    log,
  });
  process.stdout.write(`${JSON.stringify(found)}\n`);
}

async function serve(config: ServerConfig): Promise<void> {
  const log = pino({ level: config.logLevel, base: null }, destination(2));
  const server = await startServer(config, log);
  if (server.newOperatorKey !== null)
    process.stdout.write(`operator key written to ${server.newOperatorKey}\n`);
  process.stdout.write(`coop server ready at ${server.url}\n`);

  const stopped = new Promise<void>((resolve) => {
    process.once("SIGINT", () => resolve());
    process.once("SIGTERM", () => resolve());
  });
  await Promise.race([stopped, server.failed]);
  await server.stop();
}

main().then(
  () => process.exit(0),
  (error: unknown) => {
    const text =
      error instanceof OperationalError
        ? error.message
        : error instanceof Error
          ? (error.stack ?? error.message)
          : String(error);
    process.stderr.write(`coop server: ${text}\n`);
    process.exit(1);
  },
);
