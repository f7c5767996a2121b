import { isLive, readStatus } from "../status.ts";
import type { AgentStatus } from "../status.ts";

export interface StatusOptions {
  readonly home: string;
  readonly json: boolean;
  readonly nowMs: number;
  readonly say: (line: string) => void;
}

/**
 * Tells how the agent of this machine is.
 * @returns whether one runs
 */
export async function tellStatus({ home, json, nowMs, say }: StatusOptions): Promise<boolean> {
  const status = await readStatus(home);
  const alive = status !== null && isLive(status, nowMs);
  if (json) {
    say(JSON.stringify(alive ? { alive, ...status } : { alive }, null, 2));
  } else if (alive) {
    for (const line of describe(status, nowMs)) say(line);
  } else {
    say(
      status === null
        ? "No agent runs here. Start it with `agent start`."
        : `The agent ${status.name} (process ${status.pid}) ended without a word. Start it again with \`agent start\`.`,
    );
  }
  return alive;
}

/** The status in words, one line each. */
export function describe(status: AgentStatus, nowMs: number): string[] {
  const { connection, engine, models, running, slots } = status;
  const since = duration(nowMs - connection.sinceMs);
  const lines = [
    `${status.name} (${status.node}), process ${status.pid}`,
    connection.state === "connected"
      ? `connected  to ${status.server} for ${since}`
      : `connecting to ${status.server} for ${since}${connection.problem === null ? "" : `: ${connection.problem}`}`,
    `engine     ${engine.problem ?? engine.name}`,
    `models     ${models.map((model) => `${model.name}${model.loaded ? " (loaded)" : ""}${model.problem === null ? "" : " (unhealthy)"}`).join(", ") || "none"}`,
    `slots      ${running.length} of ${slots} taken${status.draining ? ", takes nothing new" : ""}`,
  ];
  for (const { job, model, outputTokens, startedAtMs } of running) {
    lines.push(`running    ${job} on ${model}: ${outputTokens} tokens in ${duration(nowMs - startedAtMs)}`);
  }
  return lines;
}

function duration(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
