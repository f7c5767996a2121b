import { decodeTokensPerSecond, OperationalError, tierOfModel } from "@coop/core";
import type { ModelReport } from "@coop/core";
import type { AgentStatus } from "../status.ts";
import { allowsModel } from "../owner/allowed-models.ts";
import { gigabytes, marked, rate, seconds, table } from "./format.ts";
import { LOOK_MS, runningAgent, standBy } from "./one-look.ts";
import type { CommandDeps } from "./one-look.ts";

const HEADINGS = ["MODEL", "TIER", "CONTEXT", "TOKENS/S", "PROMPT/S", "LOAD", "MEMORY", "STATE"] as const;
const NUMBERS: ReadonlySet<string> = new Set(["CONTEXT", "TOKENS/S", "PROMPT/S", "LOAD", "MEMORY"]);

/**
 * Tells what this machine's models can do, as the co-op hears it.
 * @throws OperationalError `no-engine` when the engine does not say
 */
export async function tellModels(deps: CommandDeps, json: boolean): Promise<void> {
  const { config, say } = deps;
  await using bystander = await standBy(deps);
  const { report, engineProblem } = await bystander.reporter.look(AbortSignal.timeout(LOOK_MS));
  if (engineProblem !== null && report.models.length === 0)
    throw new OperationalError("no-engine", engineProblem);
  const agent = await runningAgent(deps);
  const models = report.models.map((model) => ({
    ...model,
    tier: tierOfModel(model),
    tokensPerSecond:
      model.cloud || !model.capabilities.includes("completion")
        ? null
        : decodeTokensPerSecond(model.capacity, 0, 1),
    health: healthOf(model, agent),
    allowed: allowsModel(config.settings.models, model.name),
  }));
  if (json) return say(JSON.stringify({ models }, null, 2));
  const rows = models.map((model) => [
    model.name,
    model.tier,
    String(model.contextTokens),
    ...figuresOf(model),
    stateOf(model),
  ]);
  for (const line of table(HEADINGS, rows, NUMBERS)) say(line);
  if (rows.some((row) => row.some((cell) => cell.startsWith("~")))) {
    say("~ estimated from machine and model; `agent bench` measures it.");
  }
  for (const { name, health } of models) if (health.problem !== null) say(`${name}: ${health.problem}`);
  if (agent === null) say("No agent runs here, so nothing is known of the models' health.");
}

function stateOf({
  allowed,
  cloud,
  loaded,
  health,
}: Pick<ModelReport, "cloud" | "loaded"> & { readonly allowed: boolean; readonly health: Health }): string {
  if (!allowed) return "not for the co-op";
  return cloud ? "served by a cloud" : `${loaded ? "loaded" : "on disk"}, ${health.state}`;
}

function figuresOf({ cloud, capabilities, capacity, residentBytes }: ModelReport): readonly string[] {
  if (cloud) return ["", "", "", ""];
  const generates = capabilities.includes("completion");
  const { prefillTokensPerSecond, loadMs, fixedMsPerToken, effectiveBytesPerSecond } = capacity;
  return [
    generates
      ? marked(rate(decodeTokensPerSecond(capacity, 0, 1)), fixedMsPerToken, effectiveBytesPerSecond)
      : "",
    marked(rate(prefillTokensPerSecond.value), prefillTokensPerSecond),
    marked(seconds(loadMs.value), loadMs),
    gigabytes(residentBytes),
  ];
}

interface Health {
  readonly state: "healthy" | "unhealthy" | "unknown";
  /** What a canary met, null unless unhealthy. */
  readonly problem: string | null;
}

function healthOf({ name }: ModelReport, agent: AgentStatus | null): Health {
  const known = agent?.models.find((model) => model.name === name);
  if (known === undefined) return { state: "unknown", problem: null };
  return { state: known.problem === null ? "healthy" : "unhealthy", problem: known.problem };
}
