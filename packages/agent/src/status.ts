import { rm } from "node:fs/promises";
import { uptime } from "node:os";
import { join } from "node:path";
import { availabilitySchema, budgetSpanSchema } from "@coop/protocol";
import { z } from "zod";
import { readHomeFile, writeHomeFile } from "./agent-home.ts";

const count = z.number().int().nonnegative();
const timeMs = z.number();

/** What a running agent tells about itself, for `agent status` and for whoever watches the machine. */
export const agentStatusSchema = z.object({
  pid: count,
  node: z.string(),
  name: z.string(),
  owner: z.string(),
  server: z.string(),
  connection: z.discriminatedUnion("state", [
    z.object({ state: z.literal("connecting"), sinceMs: timeMs, problem: z.string().nullable() }),
    z.object({ state: z.literal("connected"), sinceMs: timeMs }),
  ]),
  engine: z.object({ name: z.string(), problem: z.string().nullable() }),
  models: z.array(
    z.object({ name: z.string(), loaded: z.boolean(), contextTokens: count, problem: z.string().nullable() }),
  ),
  slots: count,
  availability: availabilitySchema,
  /** Tokens a second, of prompts and outputs, that it makes with all slots busy; an `auto` budget comes of it. */
  throughput: z.object({ value: z.number(), basis: z.enum(["prior", "measured"]) }),
  /** What the co-op counted of the token budget, and when it said so; null before it did. */
  budget: z.object({ day: budgetSpanSchema, month: budgetSpanSchema, atMs: timeMs }).nullable(),
  /** What its owner decided, as the agent last understood it. */
  settings: z.object({
    hours: z.string(),
    servingSecondsPerDay: z.number(),
    pauseWhenActiveMs: z.number().nullable(),
    /** How long ago the owner touched the machine; null where they do not ask to come first. */
    idleness: z
      .discriminatedUnion("kind", [
        z.object({ kind: z.literal("idle"), ms: z.number() }),
        z.object({ kind: z.literal("nobody") }),
        z.object({ kind: z.literal("unknown") }),
      ])
      .nullable(),
    /** Installed models that the co-op may not use. */
    notAllowed: z.array(z.string()),
    /** What is wrong with the settings' file, null for nothing. */
    problem: z.string().nullable(),
  }),
  draining: z.boolean(),
  running: z.array(
    z.object({ job: z.string(), epoch: count, model: z.string(), startedAtMs: timeMs, outputTokens: count }),
  ),
  updatedAtMs: timeMs,
});
export type AgentStatus = z.infer<typeof agentStatusSchema>;

const statusPath = (home: string): string => join(home, "status.json");

/**
 * The status that an agent last wrote here, null when none did. It outlives an agent that was killed: ask
 * whether its process lives.
 * @throws OperationalError `file-unreadable`
 */
export const readStatus = (home: string): Promise<AgentStatus | null> =>
  readHomeFile(statusPath(home), agentStatusSchema, "Remove it; a running agent writes it anew.");

/** @throws OperationalError `file-unwritable` */
export const writeStatus = (home: string, status: AgentStatus): Promise<void> =>
  writeHomeFile(statusPath(home), status);

/** Forgets the status: the agent stopped. */
export const removeStatus = (home: string): Promise<void> => rm(statusPath(home), { force: true });

/**
 * Whether the agent that wrote a status still runs: its process lives and this machine has not started anew
 * since, which would give its number to another.
 */
export function isLive(status: AgentStatus, nowMs: number): boolean {
  const startedMs = nowMs - uptime() * 1000;
  return status.updatedAtMs >= startedMs - clockSlackMs && isAlive(status.pid);
}

/** How far off a clock may be that was set since the machine started, ms. */
const clockSlackMs = 5_000;

/** Whether a process with that id lives, whoever owns it. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}
