import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createCapacityEstimate, REFERENCE_MACHINE, estimateShape, priorCapacity } from "@coop/core";
import type { Log } from "@coop/core";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createCapacityFile, HANDED_OVER } from "./capacity-store.ts";
import { watchHome } from "./home-watch.ts";

let home: string;
const warnings: string[] = [];
const silent = (): void => undefined;
const log: Log = {
  debug: silent,
  info: silent,
  warn: (_fields, message) => void warnings.push(message),
  error: silent,
};

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "capacity-"));
  warnings.length = 0;
});
afterEach(() => rm(home, { recursive: true }));

test("what is written is read", async () => {
  const estimate = createCapacityEstimate(priorCapacity(REFERENCE_MACHINE, estimateShape(8e9)));
  const known = new Map([["a:8b", { digest: "sha256:1", estimate }]]);
  await createCapacityFile({ home, log }).write(known);
  expect(await createCapacityFile({ home, log }).read()).toEqual(known);
});

test("nothing kept is nothing known, and no cause for alarm", async () => {
  expect(await createCapacityFile({ home, log }).read()).toEqual(new Map());
  expect(warnings).toEqual([]);
});

test("a broken file is told about and left alone until something is learned", async () => {
  const path = join(home, "capacity.json");
  await writeFile(path, '{"a:8b":{}}');
  expect(await createCapacityFile({ home, log }).read()).toEqual(new Map());
  expect(warnings).toHaveLength(1);
  expect(await readFile(path, "utf8")).toBe('{"a:8b":{}}');
});

test("a home that cannot be written stops nothing", async () => {
  await mkdir(join(home, "capacity.json", "in-the-way"), { recursive: true });
  await createCapacityFile({ home, log }).write(new Map());
  expect(warnings).toHaveLength(1);
});

test("what is handed over is taken once, model by model, and known before it is taken", async () => {
  const estimate = createCapacityEstimate(priorCapacity(REFERENCE_MACHINE, estimateShape(8e9)));
  const known = (digest: string) => ({ digest, estimate });
  const store = createCapacityFile({ home, log });
  await store.write(new Map([["a", known("old")]]));
  await store.handOver(new Map([["a", known("new")]]));
  await store.handOver(new Map([["b", known("new")]]));
  const both = new Map([
    ["a", known("new")],
    ["b", known("new")],
  ]);
  expect(await store.read()).toEqual(both);
  expect(await createCapacityFile({ home, log }).takeOver()).toEqual(both);
  expect(await store.takeOver()).toEqual(new Map());
  expect(await store.read()).toEqual(new Map([["a", known("old")]]));
  expect(warnings).toEqual([]);
});

test("who watches hears of a hand-over, and a home that cannot be watched stops nothing", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const stop = watchHome({ home, log, onChange: (file) => file === HANDED_OVER && resolve() });
  await createCapacityFile({ home, log }).handOver(new Map());
  await promise;
  stop();
  watchHome({ home: join(home, "absent"), log, onChange: () => undefined })();
});
