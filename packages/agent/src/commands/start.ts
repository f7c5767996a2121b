import { OperationalError } from "@coop/core";
import type { Log, Random } from "@coop/core";
import { Agent } from "../agent.ts";
import type { AgentStop, OwnersWord } from "../agent.ts";
import { createCapacityFile, HANDED_OVER } from "../capacity-store.ts";
import { Closing } from "../closing.ts";
import type { AgentConfig } from "../config.ts";
import { parseOllamaHost } from "../engines/ollama/host.ts";
import { createOllamaEngine } from "../engines/ollama/ollama.ts";
import type { AgentIdentity } from "../identity.ts";
import { watchHome } from "../home-watch.ts";
import { KeepAwake, wakefulnessOf } from "../keep-awake.ts";
import type { generateLimits } from "../generate-limits.ts";
import { startNodeReporter } from "../node-report.ts";
import type { NodeReporterDeps } from "../node-report.ts";
import { startOwnerControl } from "../owner/owner-control.ts";
import type { OwnerControl } from "../owner/owner-control.ts";
import { servingSecondsPerDay } from "../owner/serving-hours.ts";
import { ensureSettingsFile } from "../owner/settings-file.ts";
import { createIdleProbe } from "../probe/idle.ts";
import type { Probe } from "../probe/probe.ts";
import { createSystemProbe } from "../probe/system-probe.ts";
import { settleIdentity } from "../settle-identity.ts";
import { createSlots } from "../slots.ts";
import { StatusKeeper } from "../status-keeper.ts";
import { isLive, readStatus } from "../status.ts";
import type { SupervisionEnd } from "../supervisor.ts";
import type { Timing } from "../timing.ts";
import { AGENT_VERSION } from "../version.ts";
import { watchVitals } from "../vitals.ts";

export interface StartOptions {
  readonly config: AgentConfig;
  readonly joinToken: string | null;
  readonly stop: AgentStop;
  readonly timing: Timing;
  readonly random: Random;
  readonly log: Log;
  /** Tells whoever started the agent, one line at a time. */
  readonly say: (line: string) => void;
  /** The agent is connected, told each time. */
  readonly onConnected?: () => void;
  /** The agent has its first attempt. */
  readonly onFirstWork?: () => void;
  /** Patience with the engine other than the usual. */
  readonly patience?: EnginePatience;
  /** What looks at the machine, if not the usual. */
  readonly probe?: Probe;
}

export interface EnginePatience {
  readonly limits: typeof generateLimits;
  readonly canaries: NonNullable<NodeReporterDeps["canaries"]>;
}

/**
 * Joins if asked to, then serves until it is stopped.
 * @throws OperationalError with what is wrong and what to do: not joined, a join that was refused, another agent
 *   on the same home, a setting, a connection that is refused for good
 */
export async function start(options: StartOptions): Promise<void> {
  const { config } = options;
  const engineHost = parseOllamaHost(config.engineUrl);
  await assertAlone(config.home, options.timing.now());
  const { drain, abort } = options.stop;
  const identity = await settleIdentity({ ...options, signal: AbortSignal.any([drain, abort]) });
  const end = await serve(options, engineHost, {
    ...identity,
    plaintextAllowed: identity.plaintextAllowed || config.plaintextAllowed,
  });
  if (end.kind === "final") throw new OperationalError("refused-for-good", end.message);
}

async function serve(
  options: StartOptions,
  engineHost: URL,
  identity: AgentIdentity,
): Promise<SupervisionEnd> {
  const { config, timing, random, log, say, stop } = options;
  const { home } = config;
  await using closing = new Closing();
  const engine = createOllamaEngine({ host: engineHost, timing, log });
  closing.defer(() => engine.close());
  const slots = createSlots(config.settings.slots ?? config.engineSlots ?? 1);
  await ensureSettingsFile(home);
  const owner = await startOwnerControl({
    ...config,
    timing,
    log,
    idleProbe: createIdleProbe({ clock: timing, platform: process.platform }),
    onChange: () => agent.lookAgain(),
  });
  closing.defer(() => owner.close());
  const reporter = await startNodeReporter({
    engine,
    slots,
    timing,
    log,
    probe: options.probe ?? createSystemProbe({ clock: timing, platform: process.platform }),
    store: createCapacityFile({ home, log }),
    allowance: () => ({
      ...owner.settings,
      engineSlots: config.engineSlots,
      availability: owner.availability(),
    }),
    agentVersion: AGENT_VERSION,
    onChange: () => agent.lookAgain(),
    ...(options.patience === undefined ? {} : { canaries: options.patience.canaries }),
  });
  closing.defer(() => reporter.close());
  const vitals = watchVitals();
  closing.defer(() => vitals.close());
  let hasWorked = false;
  const agent: Agent = new Agent({
    identity,
    engine,
    slots,
    timing,
    random,
    log,
    async look(signal) {
      await owner.look();
      return await reporter.look(signal);
    },
    onOutcome: (model, outcome) => reporter.observe(model, outcome),
    onConnected: () => {
      say(`agent ${identity.name} connected to ${identity.serverUrl}`);
      options.onConnected?.();
    },
    owner: ownersWord(owner),
    vitals: vitals.read,
    ...(options.patience === undefined ? {} : { limits: options.patience.limits }),
    onStatus: () => {
      if (agent.isWorking && !hasWorked) {
        hasWorked = true;
        options.onFirstWork?.();
      }
      status.changed();
      awake.working(agent.isWorking);
    },
  });
  const awake = new KeepAwake(wakefulnessOf(process.platform, log));
  closing.defer(() => awake.working(false));
  const status = new StatusKeeper({ home, timing, log, status: () => agent.status(process.pid) });
  closing.defer(() => status.close());
  await status.open();
  const fileChanged = (file: string): void => {
    if (file === HANDED_OVER) agent.lookAgain();
    owner.fileChanged(file);
  };
  closing.defer(watchHome({ home, log, onChange: fileChanged }));
  return await agent.run(stop);
}

const ownersWord = (owner: OwnerControl): OwnersWord => ({
  availability: () => owner.availability(),
  refusal: (model) => owner.refusal(model),
  pinnedModels: () => owner.settings.pinnedModels,
  status: () => ({
    hours: owner.settings.hours.text,
    servingSecondsPerDay: servingSecondsPerDay(owner.settings.hours),
    pauseWhenActiveMs: owner.settings.pauseWhenActiveMs,
    idleness: owner.idleness,
    problem: owner.problem,
  }),
});

/** Two agents with one identity would push each other off the server for ever. */
async function assertAlone(home: string, nowMs: number): Promise<void> {
  const status = await readStatus(home);
  if (status === null || status.pid === process.pid || !isLive(status, nowMs)) return;
  throw new OperationalError(
    "already-running",
    `An agent already runs here: ${status.name}, process ${status.pid}. Stop it first, or give this one a home of its own with COOP_AGENT_HOME.`,
  );
}
