import { describe, expect, it } from "vitest";
import { readConfig } from "./config.ts";

describe("readConfig", () => {
  it("serves on loopback with both roles and its own Redis when nothing is said", () => {
    expect(readConfig({ COOP_HOME: "/data/coop", COOP_CACHE: "/cache" }, "linux")).toEqual({
      home: "/data/coop",
      cache: "/cache",
      host: "127.0.0.1",
      port: 7070,
      roles: ["api", "scheduler"],
      publicUrl: null,
      redisUrl: null,
      settingsPath: "/data/coop/coop.yaml",
      machineTimeZone: Intl.DateTimeFormat().resolvedOptions().timeZone,
      timeZone: null,
      agentPackage: null,
      metricsOfMembers: true,
      metricsToken: null,
      logLevel: "info",
    });
  });

  it("takes the settings from elsewhere, and a time zone that goes before theirs", () => {
    expect(
      readConfig({ COOP_SETTINGS: "/etc/coop.yaml", COOP_TIME_ZONE: "Europe/Stockholm" }, "linux"),
    ).toMatchObject({ settingsPath: "/etc/coop.yaml", timeZone: "Europe/Stockholm" });
  });

  it("takes an IPv6 address in brackets", () => {
    expect(readConfig({ COOP_LISTEN: "[::1]:0" }, "linux")).toMatchObject({ host: "::1", port: 0 });
  });

  it("puts the data where the platform keeps it", () => {
    expect(readConfig({ XDG_DATA_HOME: "/x" }, "linux").home).toBe("/x/coop");
    expect(readConfig({}, "darwin").home).toContain("Application Support");
  });

  it.each([
    [{ COOP_LISTEN: "7070" }, /COOP_LISTEN: must be HOST:PORT/],
    [{ COOP_LISTEN: "127.0.0.1:70700" }, /COOP_LISTEN: port 70700/],
    [{ COOP_ROLES: "api,worker" }, /COOP_ROLES: "worker" is no role/],
    [{ COOP_PUBLIC_URL: "coop.example" }, /COOP_PUBLIC_URL: must be an http/],
    [{ COOP_TIME_ZONE: "Mars/Olympus" }, /COOP_TIME_ZONE: "Mars\/Olympus"/],
  ])("names the variable at fault: %o", (environment, message) => {
    expect(() => readConfig(environment, "linux")).toThrow(message);
  });
});
