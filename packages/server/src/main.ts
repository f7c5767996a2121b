/** PROGRAM: the co-op's server. Says on stdout when it is ready; logs JSON lines to stderr. */
import { OperationalError } from "@coop/core";
import { destination, pino } from "pino";
import { readConfig } from "./config.ts";
import { startServer } from "./server.ts";

async function main(): Promise<void> {
  const config = readConfig(process.env, process.platform);
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
