import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { coopHome, findKey } from "./home.ts";

it("finds the home where the server has it", () => {
  expect(coopHome({ COOP_HOME: "/data" }, "linux", "/home/x")).toBe("/data");
  expect(coopHome({}, "linux", "/home/x")).toBe("/home/x/.local/share/coop");
  expect(coopHome({ XDG_DATA_HOME: "/d" }, "linux", "/home/x")).toBe("/d/coop");
  expect(coopHome({ XDG_DATA_HOME: "relative" }, "linux", "/home/x")).toBe("/home/x/.local/share/coop");
  expect(coopHome({}, "darwin", "/Users/x")).toBe("/Users/x/Library/Application Support/coop");
});

it("takes the given key, else the operator's, else none", async () => {
  const home = await mkdtemp(join(tmpdir(), "coop-cli-home-"));
  try {
    expect(await findKey({}, home)).toEqual({ key: null, place: join(home, "operator.key") });
    await writeFile(join(home, "operator.key"), "coop_x\n");
    expect(await findKey({}, home)).toMatchObject({ key: "coop_x" });
    expect(await findKey({ COOP_API_KEY: "coop_y" }, home)).toEqual({ key: "coop_y", place: "COOP_API_KEY" });
  } finally {
    await rm(home, { recursive: true });
  }
});
