import { OperationalError } from "@coop/core";

/** Where a Redis is. */
export type RedisAddress =
  | { readonly kind: "socket"; readonly path: string }
  | {
      readonly kind: "host";
      readonly host: string;
      readonly port: number;
      readonly tls: boolean;
      readonly credentials: Credentials;
      readonly database: number;
    }
  | {
      readonly kind: "sentinels";
      readonly sentinels: readonly { readonly host: string; readonly port: number }[];
      readonly primary: string;
      readonly tls: boolean;
      readonly credentials: Credentials;
      readonly database: number;
    };

/** Empty when the Redis asks for none. */
export interface Credentials {
  readonly username?: string;
  readonly password?: string;
}

const redisPort = 6379;
const sentinelPort = 26379;
const forms =
  "redis://[user:password@]host[:port][/database], rediss:// for TLS, unix:///path/to.sock, " +
  "or redis+sentinel://[user:password@]host[:port],host[:port]/primary-name[/database]";

/**
 * Reads an address as people write it.
 * @throws OperationalError `redis-address` that names the forms; the text itself may hold a password and is not repeated.
 */
export function parseRedisAddress(text: string): RedisAddress {
  if (text.startsWith("/")) return { kind: "socket", path: text };
  if (/^(redis|rediss)\+cluster:/i.test(text)) {
    throw new OperationalError(
      "redis-address",
      `REDIS_URL names a Redis Cluster, which is not supported. Use one of: ${forms}`,
    );
  }
  const sentinel = /^(rediss?)\+sentinel:\/\/(?:([^@/]*)@)?([^/]+)\/([^/]+)(?:\/(\d+))?$/i.exec(text);
  if (sentinel !== null) {
    const [, scheme = "", userInfo = "", hosts = "", primary = "", database = "0"] = sentinel;
    return {
      kind: "sentinels",
      sentinels: hosts.split(",").map((host) => hostAndPort(host)),
      primary: decodeURIComponent(primary),
      tls: scheme.toLowerCase() === "rediss",
      credentials: parseCredentials(...splitUserInfo(userInfo)),
      database: Number(database),
    };
  }
  return parseUrl(text);
}

function parseUrl(text: string): RedisAddress {
  const url = URL.parse(text);
  if (url === null) throw malformed("it is not a URL");
  if (url.protocol === "unix:") {
    if (url.hostname !== "") throw malformed("a unix socket needs three slashes and an absolute path");
    return { kind: "socket", path: decodeURIComponent(url.pathname) };
  }
  if (url.protocol !== "redis:" && url.protocol !== "rediss:")
    throw malformed(`it begins with ${url.protocol}`);
  if (url.hostname === "") throw malformed("the host is missing");
  const database = /^\/?(\d*)$/.exec(url.pathname)?.[1];
  if (database === undefined) throw malformed("what follows the host is not the number of a database");
  return {
    kind: "host",
    host: url.hostname.replace(/^\[|\]$/g, ""),
    port: url.port === "" ? redisPort : Number(url.port),
    tls: url.protocol === "rediss:",
    credentials: parseCredentials(url.username, url.password),
    database: Number(database),
  };
}

function hostAndPort(text: string): { readonly host: string; readonly port: number } {
  const match = /^(\[[^\]]+\]|[^:]+)(?::(\d+))?$/.exec(text.trim());
  if (match === null) throw malformed("a sentinel is not host or host:port");
  const [, host = "", port] = match;
  return { host: host.replace(/^\[|\]$/g, ""), port: port === undefined ? sentinelPort : Number(port) };
}

function splitUserInfo(text: string): readonly [username: string, password: string] {
  const colon = text.indexOf(":");
  return colon === -1 ? [text, ""] : [text.slice(0, colon), text.slice(colon + 1)];
}

function parseCredentials(username: string, password: string): Credentials {
  return {
    ...(username === "" ? {} : { username: decodeURIComponent(username) }),
    ...(password === "" ? {} : { password: decodeURIComponent(password) }),
  };
}

const malformed = (why: string): OperationalError =>
  new OperationalError("redis-address", `REDIS_URL cannot be read: ${why}. Use one of: ${forms}`);
