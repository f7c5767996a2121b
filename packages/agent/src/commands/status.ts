import type { BudgetSpan } from "@coop/protocol";
import { writeDuration } from "../owner/written.ts";
import { isLive, readStatus } from "../status.ts";
import type { AgentStatus } from "../status.ts";
import { tokens } from "./format.ts";
import { localTime } from "./local-time.ts";

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
    `serves     ${servesInWords(status, nowMs)}`,
    `budget     ${budgetInWords(status, nowMs)}`,
  ];
  const { notAllowed, problem, idleness } = status.settings;
  if (notAllowed.length > 0) lines.push(`not shared ${notAllowed.join(", ")}`);
  if (idleness?.kind === "unknown")
    lines.push("owner      whether you are at the machine is not known here; it serves");
  if (problem !== null) lines.push(`settings   ${problem}; what was set before stands`);
  for (const { job, model, outputTokens, startedAtMs } of running) {
    lines.push(`running    ${job} on ${model}: ${outputTokens} tokens in ${duration(nowMs - startedAtMs)}`);
  }
  return lines;
}

/** Whether it takes anything new, and by which of its owner's settings. */
function servesInWords({ availability, settings }: AgentStatus, nowMs: number): string {
  const { hours, idleness, pauseWhenActiveMs } = settings;
  if (availability.kind === "open") return hours;
  const { reason, untilMs } = availability;
  const until = untilMs === null ? null : localTime(untilMs, nowMs);
  switch (reason) {
    case "paused":
      return `not now: paused${until === null ? "" : ` until ${until}`}; \`agent resume\` ends it`;
    case "outside-hours":
      return `not now: ${hours}${until === null ? "" : `; again from ${until}`}`;
    case "owner-active": {
      const ago =
        idleness?.kind === "idle" ? `, ${writeDuration(Math.floor(idleness.ms / 1000) * 1000)} ago` : "";
      return `not now: someone is at the machine${ago}; again after ${writeDuration(pauseWhenActiveMs ?? 0)} without input`;
    }
  }
}

function budgetInWords({ budget }: AgentStatus, nowMs: number): string {
  if (budget === null || budget.day.endsMs <= nowMs) return "not known before it is connected";
  const of = (name: string, { limitTokens, usedTokens, heldTokens, endsMs }: BudgetSpan): string => {
    const held = heldTokens > 0 ? `, ${tokens(heldTokens)} held` : "";
    const limit = limitTokens === null ? "" : ` of ${tokens(limitTokens)}`;
    const isSpent = limitTokens !== null && usedTokens + heldTokens >= limitTokens;
    return `${tokens(usedTokens)}${limit} ${name}${held}${isSpent ? `, spent until ${localTime(endsMs, nowMs)}` : ""}`;
  };
  return `${of("today", budget.day)}; ${of("this month", budget.month)}`;
}

function duration(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
