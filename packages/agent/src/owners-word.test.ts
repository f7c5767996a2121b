import { asJobId } from "@coop/core";
import { expect, test } from "vitest";
import { assignOf, nextRound, startBench } from "./testing/bench.ts";

const ref = (job: string) => ({ job: asJobId(job), epoch: 1 });

test("an attempt that its owner does not want now is turned away; what runs already goes on", async () => {
  await using bench = await startBench();
  const connection = await bench.scheduler.accept();
  await connection.welcome();
  while (!bench.lines.includes("connected")) await nextRound();
  connection.send(assignOf("job_1"));
  const generation = await bench.engine.nextGeneration();
  bench.refusal = (model) => `not ${model} now`;
  connection.send(assignOf("job_2"));
  expect(await connection.next("rejected")).toMatchObject({
    ...ref("job_2"),
    reason: "busy",
    message: "not small now",
  });
  generation.say("on");
  generation.finish();
  expect(await connection.next("done")).toMatchObject({ ...ref("job_1"), lastSeq: 1 });
  expect(bench.engine.generations).toBe(1);

  connection.send({ kind: "settled", ...ref("job_1") });
  bench.refusal = () => null;
  connection.send(assignOf("job_3"));
  expect(await connection.next("accepted")).toMatchObject(ref("job_1"));
  expect(await connection.next("accepted")).toMatchObject(ref("job_3"));
});

test("what the co-op counted of its budget is kept for its owner to see", async () => {
  await using bench = await startBench();
  const connection = await bench.scheduler.accept();
  await connection.welcome();
  expect(bench.agent.status(1).budget).toBeNull();
  const day = { limitTokens: 100, usedTokens: 20, heldTokens: 30, endsMs: 1 };
  const month = { ...day, limitTokens: null };
  connection.send({ kind: "budget", day, month });
  while (bench.agent.status(1).budget === null) await nextRound();
  expect(bench.agent.status(1).budget).toEqual({ day, month, atMs: bench.timing.now() });
});
