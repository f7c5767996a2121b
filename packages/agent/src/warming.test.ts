import type { ModelReport } from "@coop/core";
import { expect, test } from "vitest";
import { IDLE_MS } from "./memory-watch.ts";
import { assignOf, memory, nextRound, PINNED, report, startBench } from "./testing/bench.ts";
import type { Bench } from "./testing/bench.ts";
import type { FakeConnection } from "./testing/fake-scheduler.ts";

const [template] = report.models;
const modelOf = (name: string, changes: Partial<ModelReport>): ModelReport => {
  if (template === undefined) throw new Error("the bench's node has no model");
  return { ...template, name, ...changes };
};

/** Settings are in place before the agent's first look. */
async function startWith(
  models: readonly ModelReport[],
  memoryChanges: Partial<Bench["snapshot"]["memory"]> = {},
): Promise<{ readonly bench: Bench; readonly connection: FakeConnection }> {
  const bench = await startBench();
  const connection = await bench.scheduler.accept();
  await connection.welcome();
  await until(() => bench.lines.includes("connected"));
  bench.snapshot = {
    ...bench.snapshot,
    report: { ...report, models },
    memory: { ...memory, ...memoryChanges },
  };
  bench.timing.advance(10_000);
  await connection.next("report");
  return { bench, connection };
}

const until = async (condition: () => boolean): Promise<void> => {
  for (let round = 0; round < 5_000 && !condition(); round += 1) await nextRound();
  expect(condition(), "what was waited for").toBe(true);
};

/** Frames are handled in order: when this one is answered, those before it were. */
const settled = async (connection: FakeConnection): Promise<void> => {
  connection.send(assignOf("job_probe", { model: "absent" }));
  await connection.next("rejected");
  await nextRound();
};

test("a wish to warm is dropped where it would take the memory that the owner wants to stay free", async () => {
  const models = [
    modelOf("fits", { loaded: false, residentBytes: 1.5e9 }),
    modelOf("does-not", { loaded: false, residentBytes: 1.6e9 }),
    modelOf("loaded", { loaded: true, residentBytes: 1.6e9 }),
  ];
  const { bench, connection } = await startWith(models, { freeBytes: 2.5e9 });
  await using _ = bench;
  for (const model of ["does-not", "loaded", "fits"]) connection.send({ kind: "warm", model });
  await settled(connection);
  await until(() => bench.engine.warmed.length >= 2);
  expect(bench.engine.warmed).toEqual(["loaded", "fits"]);
});

test("a model that is pinned or generates is not unloaded, whoever wishes it", async () => {
  const names = ["small", PINNED, "idle"];
  const { bench, connection } = await startWith(names.map((name) => modelOf(name, {})));
  await using _ = bench;
  connection.send(assignOf("job_1", { model: "small" }));
  await connection.next("accepted");
  for (const model of names) connection.send({ kind: "unload", model });
  await settled(connection);
  await until(() => bench.engine.unloaded.length > 0);
  expect(bench.engine.unloaded).toEqual(["idle"]);
});

test("short memory unloads idle models, never the one that generates or is pinned", async () => {
  const names = ["small", PINNED, "idle"];
  const residents = names.map((name) => ({ name, bytes: 1e9, keptUntilMs: 1 }));
  const { bench, connection } = await startWith(
    names.map((name) => modelOf(name, {})),
    { residents, freeBytes: 0.1e9 },
  );
  await using _ = bench;
  connection.send(assignOf("job_1", { model: "small", remainingMs: 10 * IDLE_MS }));
  await connection.next("accepted");
  await bench.advanceUntil(1_000, () => bench.engine.unloaded.length >= 3);
  expect(new Set(bench.engine.unloaded)).toEqual(new Set(["idle"]));
});
