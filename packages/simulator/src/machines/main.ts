/**
 * PROGRAM: simulated machines that speak Ollama's wire protocol.
 *
 *   node main.ts --speedup 20 --profile mac-studio-m4-max-128 --profile raspberry-pi-5-8 [--port N --port N]
 *
 * The first port is the first profile's, and so on; the system chooses where none is given. Prints one JSON
 * line a machine when it listens: {"profile": ..., "name": ..., "url": ...}.
 */
import { parseArgs } from "node:util";
import { OperationalError } from "@coop/core";
import { SIMULATED_PROFILES, simulatedMachine } from "./fleet.ts";
import { startSimulatedOllama } from "./ollama-server.ts";

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      profile: { type: "string", multiple: true, default: [...SIMULATED_PROFILES] },
      speedup: { type: "string", default: "1" },
      port: { type: "string", multiple: true, default: [] },
    },
  });
  const speedup = Number(values.speedup);
  if (!(speedup > 0 && speedup <= 1000))
    throw new OperationalError(
      "bad-option",
      `--speedup ${values.speedup}: must be a number above 0, at most 1000`,
    );
  const machines = await Promise.all(
    values.profile.map(async (profile, index) => {
      const machine = simulatedMachine(profile);
      const port = Number(values.port[index] ?? 0);
      return { profile, name: machine.name, ollama: await startSimulatedOllama(machine, { port, speedup }) };
    }),
  );
  for (const { profile, name, ollama } of machines)
    process.stdout.write(`${JSON.stringify({ profile, name, url: ollama.url })}\n`);
  const stop = (): void => {
    void Promise.all(machines.map(({ ollama }) => ollama.stop())).then(() => process.exit(0));
  };
  process.once("SIGINT", stop);
  process.once("SIGTERM", stop);
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
});
