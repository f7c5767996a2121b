/** PROGRAM for tests: the server as it is, with leases and amnesty short enough to watch failures. */
import { destination, pino } from "pino";
import { readConfig } from "../../packages/server/src/config.ts";
import { startServer } from "../../packages/server/src/server.ts";

const QUICK = {
  leadTtlMs: 2_000,
  campaignEveryMs: 500,
  amnestyMs: 4_000,
  leaseMs: 4_000,
  renewEveryMs: 1_000,
  heartbeatMs: 1_500,
  sweepEveryMs: 1_000,
};

const config = readConfig(process.env, process.platform);
const server = await startServer(config, pino({ level: config.logLevel, base: null }, destination(2)), QUICK);
process.stdout.write(`coop server ready at ${server.url}\n`);
process.once("SIGTERM", () => void server.stop().then(() => process.exit(0)));
server.failed.catch((error: unknown) => {
  process.stderr.write(`${String(error)}\n`);
  process.exit(1);
});
