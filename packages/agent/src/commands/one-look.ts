import type { Log } from "@coop/core";
import { createCapacityFile } from "../capacity-store.ts";
import type { CapacityStore } from "../capacity-store.ts";
import type { AgentConfig } from "../config.ts";
import type { Engine } from "../engines/engine.ts";
import { parseOllamaHost } from "../engines/ollama/host.ts";
import { createOllamaEngine } from "../engines/ollama/ollama.ts";
import { startNodeReporter } from "../node-report.ts";
import type { NodeReporter } from "../node-report.ts";
import { ALL_MODELS } from "../owner/allowed-models.ts";
import { createSystemProbe } from "../probe/system-probe.ts";
import { createSlots } from "../slots.ts";
import type { Slots } from "../slots.ts";
import { isLive, readStatus } from "../status.ts";
import type { AgentStatus } from "../status.ts";
import type { Timing } from "../timing.ts";
import { AGENT_VERSION } from "../version.ts";

/** What a command that looks at this machine works with. */
export interface CommandDeps {
  readonly config: AgentConfig;
  readonly timing: Timing;
  readonly log: Log;
  /** One line of the command's result. */
  readonly say: (line: string) => void;
}

/** The engine of this machine, looked at without an agent. */
export interface Bystander extends AsyncDisposable {
  readonly engine: Engine;
  readonly reporter: NodeReporter;
  readonly slots: Slots;
}

/** How long a look may take, ms. */
export const LOOK_MS = 10_000;

/**
 * Looks as the agent does, except that it sees the models, too, that the co-op may not use.
 * @param store what of the learned capacities is read and written; by default they are only read
 */
export async function standBy(
  { config, timing, log }: CommandDeps,
  store: CapacityStore = readOnly(createCapacityFile({ home: config.home, log })),
): Promise<Bystander> {
  const engine = createOllamaEngine({ host: parseOllamaHost(config.engineUrl), timing, log });
  const slots = createSlots(config.settings.slots ?? config.engineSlots ?? 1);
  const reporter = await startNodeReporter({
    engine,
    slots,
    timing,
    log,
    store,
    probe: createSystemProbe({ clock: timing, platform: process.platform }),
    allowance: () => ({
      ...config.settings,
      models: ALL_MODELS,
      engineSlots: config.engineSlots,
      availability: { kind: "open" },
    }),
    agentVersion: AGENT_VERSION,
    onChange: () => undefined,
  });
  return {
    engine,
    reporter,
    slots,
    async [Symbol.asyncDispose]() {
      await reporter.close();
      await engine.close();
    },
  };
}

const readOnly = (store: CapacityStore): CapacityStore => ({
  read: store.read,
  write: () => Promise.resolve(),
  handOver: () => Promise.resolve(),
  takeOver: () => Promise.resolve(new Map()),
});

/** The status of the agent that runs here, null when none does. */
export async function runningAgent({ config, timing }: CommandDeps): Promise<AgentStatus | null> {
  const status = await readStatus(config.home);
  return status !== null && isLive(status, timing.now()) ? status : null;
}
