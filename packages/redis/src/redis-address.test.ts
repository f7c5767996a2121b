import { describe, expect, test } from "vitest";
import { parseRedisAddress } from "./redis-address.ts";

const host = { kind: "host", port: 6379, tls: false, credentials: {}, database: 0 };

describe("an address of Redis", () => {
  test.for([
    ["/run/redis/redis.sock", { kind: "socket", path: "/run/redis/redis.sock" }],
    ["unix:///run/my%20redis.sock", { kind: "socket", path: "/run/my redis.sock" }],
    ["redis://localhost", { ...host, host: "localhost" }],
    ["redis://10.0.0.2:6380/3", { ...host, host: "10.0.0.2", port: 6380, database: 3 }],
    ["redis://[::1]:6380", { ...host, host: "::1", port: 6380 }],
    [
      "rediss://coop:p%40ss@redis.example",
      { ...host, host: "redis.example", tls: true, credentials: { username: "coop", password: "p@ss" } },
    ],
    ["redis://:secret@h", { ...host, host: "h", credentials: { password: "secret" } }],
    [
      "redis+sentinel://:secret@a,b:26380/coop-primary/2",
      {
        kind: "sentinels",
        sentinels: [
          { host: "a", port: 26379 },
          { host: "b", port: 26380 },
        ],
        primary: "coop-primary",
        tls: false,
        credentials: { password: "secret" },
        database: 2,
      },
    ],
  ] as const)("is read: %s", ([text, address]) => {
    expect(parseRedisAddress(text)).toEqual(address);
  });

  test.for([
    ["localhost:6379", /REDIS_URL cannot be read.*redis:\/\//],
    ["http://localhost", /begins with http:/],
    ["redis://", /host is missing|not a URL/],
    ["redis://h/zero", /number of a database/],
    ["unix://relative.sock", /three slashes/],
    ["redis+cluster://a:1,b:2", /Cluster, which is not supported/],
  ] as const)("is refused with what to write instead: %s", ([text, message]) => {
    expect(() => parseRedisAddress(text)).toThrow(message);
  });

  test("never shows a password", () => {
    expect(() => parseRedisAddress("redis://:hunter2@h/zero")).toThrow(/^(?!.*hunter2)/);
  });
});
