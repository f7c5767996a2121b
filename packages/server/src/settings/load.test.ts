import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DEFAULT_SETTINGS } from "@coop/core";
import { afterEach, beforeEach, expect, it } from "vitest";
import { checkSettings, loadSettings } from "./load.ts";

let path: string;
beforeEach(async () => {
  path = join(await mkdtemp(join(tmpdir(), "coop-settings-")), "coop.yaml");
});
afterEach(() => rm(join(path, ".."), { recursive: true }));

it("writes a file with the defaults once, however many start at a time", async () => {
  const all = await Promise.all(Array.from({ length: 8 }, () => loadSettings(path, "Europe/Stockholm")));
  for (const settings of all) expect(settings).toEqual({ ...DEFAULT_SETTINGS, timeZone: "Europe/Stockholm" });
});

it("never changes a file that is there", async () => {
  await writeFile(path, "name: Kvarnen\n");
  expect((await loadSettings(path, "UTC")).name).toBe("Kvarnen");
  expect(await readFile(path, "utf8")).toBe("name: Kvarnen\n");
});

it("refuses a file that it cannot read, naming each line", async () => {
  await writeFile(path, "name: Kvarnen\nretension: 24h\nmoney:\n  electricityPerKwh: -1\n");
  const refusal = loadSettings(path, "UTC");
  await expect(refusal).rejects.toMatchObject({ code: "bad-settings" });
  await expect(refusal).rejects.toThrow(
    `${path}:2: retension is not known here; the nearest name is retention`,
  );
  await expect(refusal).rejects.toThrow(`${path}:4: money.electricityPerKwh is -1; it takes`);
});

it("checks without writing", async () => {
  await expect(checkSettings(path, "UTC")).rejects.toThrow(`There is no file ${path}`);
  await expect(readFile(path)).rejects.toMatchObject({ code: "ENOENT" });
});
