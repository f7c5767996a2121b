import { isAbsolute, join } from "node:path";
import { homedir } from "node:os";
import { OperationalError } from "@coop/core";
import { z } from "zod";
import { SETTINGS_FILE } from "./settings/load.ts";
import { isTimeZone } from "./settings/time-zone.ts";

export type Role = "api" | "scheduler";

/** The server's settings, read once at start. */
export interface ServerConfig {
  /** Folder that holds everything the co-op keeps: Redis data, keys, identity. */
  readonly home: string;
  /** Folder for what can be fetched again, such as a Redis program. */
  readonly cache: string;
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
  readonly roles: readonly Role[];
  /** Address that members and nodes use; null: the address listened on. */
  readonly publicUrl: string | null;
  /** null: an embedded Redis of our own. */
  readonly redisUrl: string | null;
  /** Path of the co-op's `coop.yaml`. */
  readonly settingsPath: string;
  /** The time zone of this machine; stands in where `coop.yaml` names none. */
  readonly machineTimeZone: string;
  /** Takes the place of the time zone in `coop.yaml`; null: nothing does. */
  readonly timeZone: string | null;
  /** The agent to hand out, an npm tarball; null: the one that was built beside this server, if any. */
  readonly agentPackage: string | null;
  /** Who sends it as a bearer token may read the metrics from elsewhere; null: this machine only. */
  readonly metricsToken: string | null;
  /** Whether the metrics tell what each member used, by the member's id. */
  readonly metricsOfMembers: boolean;
  readonly logLevel: "debug" | "info" | "warn" | "error";
}

const environmentSchema = z.object({
  COOP_HOME: z.string().min(1).optional(),
  COOP_CACHE: z.string().min(1).optional(),
  XDG_DATA_HOME: z.string().optional(),
  XDG_CACHE_HOME: z.string().optional(),
  COOP_LISTEN: z
    .string()
    .regex(/^(.+):(\d{1,5})$/, "must be HOST:PORT, such as 127.0.0.1:7070")
    .default("127.0.0.1:7070"),
  COOP_ROLES: z.string().default("api,scheduler"),
  COOP_PUBLIC_URL: z
    .url({ protocol: /^https?$/, error: "must be an http(s) URL, such as https://coop.example" })
    .optional(),
  REDIS_URL: z.string().min(1).optional(),
  COOP_SETTINGS: z.string().min(1).optional(),
  COOP_TIME_ZONE: z.string().optional(),
  COOP_AGENT_PACKAGE: z.string().min(1).optional(),
  COOP_METRICS_TOKEN: z.string().min(16, "must have 16 characters or more").optional(),
  COOP_METRICS_OF_MEMBERS: z.stringbool({ error: "must be yes or no" }).default(true),
  COOP_LOG_LEVEL: z.enum(["debug", "info", "warn", "error"]).default("info"),
});

/** The variables that say how the server runs. */
export const ENVIRONMENT_NAMES: readonly string[] = Object.keys(environmentSchema.shape);

/** Folder for the user's own data: `~/Library/Application Support` on macOS, else XDG's or `~/.local/share`. */
export function dataDirectory(platform: string, xdgDataHome: string | undefined, home: string): string {
  if (platform === "darwin") return join(home, "Library", "Application Support");
  return xdgDataHome !== undefined && isAbsolute(xdgDataHome) ? xdgDataHome : join(home, ".local", "share");
}

/** Folder for what can be fetched again: `~/Library/Caches` on macOS, else XDG's or `~/.cache`. */
export function cacheDirectory(platform: string, xdgCacheHome: string | undefined, home: string): string {
  if (platform === "darwin") return join(home, "Library", "Caches");
  return xdgCacheHome !== undefined && isAbsolute(xdgCacheHome) ? xdgCacheHome : join(home, ".cache");
}

/**
 * Reads the settings from environment variables.
 * @throws OperationalError `bad-config` that names the variable and what it should be.
 */
export function readConfig(
  environment: Readonly<Record<string, string | undefined>>,
  platform: string,
): ServerConfig {
  const parsed = environmentSchema.safeParse(environment);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw badConfig(String(issue?.path[0] ?? ""), issue?.message ?? "invalid");
  }
  const values = parsed.data;
  const cut = values.COOP_LISTEN.lastIndexOf(":");
  const port = Number(values.COOP_LISTEN.slice(cut + 1));
  if (port > 65_535) throw badConfig("COOP_LISTEN", `port ${port} is above 65535`);
  const timeZone = values.COOP_TIME_ZONE ?? null;
  if (timeZone !== null && !isTimeZone(timeZone))
    throw badConfig("COOP_TIME_ZONE", `"${timeZone}" is no IANA time zone, such as Europe/Stockholm`);
  const home = values.COOP_HOME ?? join(dataDirectory(platform, values.XDG_DATA_HOME, homedir()), "coop");
  return {
    home,
    cache: values.COOP_CACHE ?? join(cacheDirectory(platform, values.XDG_CACHE_HOME, homedir()), "coop"),
    host: values.COOP_LISTEN.slice(0, cut).replace(/^\[(.*)\]$/, "$1"),
    port,
    roles: readRoles(values.COOP_ROLES),
    publicUrl: values.COOP_PUBLIC_URL?.replace(/\/+$/, "") ?? null,
    redisUrl: values.REDIS_URL ?? null,
    settingsPath: values.COOP_SETTINGS ?? join(home, SETTINGS_FILE),
    machineTimeZone: Intl.DateTimeFormat().resolvedOptions().timeZone,
    timeZone,
    agentPackage: values.COOP_AGENT_PACKAGE ?? null,
    metricsToken: values.COOP_METRICS_TOKEN ?? null,
    metricsOfMembers: values.COOP_METRICS_OF_MEMBERS,
    logLevel: values.COOP_LOG_LEVEL,
  };
}

function readRoles(text: string): readonly Role[] {
  const roles = text.split(",").map((role) => role.trim());
  return roles.map((role) => {
    if (role === "api" || role === "scheduler") return role;
    throw badConfig("COOP_ROLES", `"${role}" is no role; use api, scheduler or both with a comma`);
  });
}

const badConfig = (variable: string, problem: string): OperationalError =>
  new OperationalError("bad-config", `${variable}: ${problem}`);
