import fc from "fast-check";
import { expect, test } from "vitest";
import { asJobId } from "@coop/core";
import type { AgentFrame, SchedulerFrame } from "@coop/protocol";
import { assignOf, nextRound, startBench } from "./testing/bench.ts";
import type { Bench } from "./testing/bench.ts";
import type { FakeConnection } from "./testing/fake-scheduler.ts";
import type { PlayedGeneration } from "./testing/scripted-engine.ts";

/** What a scheduler keeps of a job, and what its engine said. */
interface Job {
  readonly name: string;
  readonly generation: PlayedGeneration;
  said: string;
  kept: string;
  keptSeq: number;
  ended: boolean;
}

type Verdict = Extract<SchedulerFrame, { kind: "welcome" }>["running"][number];

/** A scheduler that keeps output as the real one does, over connections that break under it. */
class KeepingScheduler {
  readonly jobs = new Map<string, Job>();
  readonly #bench: Bench;
  #connection: FakeConnection;
  #read = 0;

  private constructor(bench: Bench, connection: FakeConnection) {
    this.#bench = bench;
    this.#connection = connection;
  }

  static async connect(bench: Bench): Promise<KeepingScheduler> {
    const connection = await bench.scheduler.accept();
    await connection.welcome();
    return new KeepingScheduler(bench, connection);
  }

  async assign(name: string): Promise<void> {
    this.#connection.send(assignOf(name));
    const generation = await this.#bench.engine.nextGeneration();
    this.jobs.set(name, { name, generation, said: "", kept: "", keptSeq: 0, ended: false });
  }

  /** Handles at most so many of the frames that have come, acknowledging with this much credit. */
  read(most: number, creditBytes: number): void {
    const frames = this.#connection.frames.slice(this.#read, this.#read + most);
    this.#read += frames.length;
    for (const frame of frames) this.#take(frame, creditBytes);
  }

  /** Gives every attempt credit again, as a scheduler whose followers read on. */
  grant(creditBytes: number): void {
    for (const { name, keptSeq, ended } of this.jobs.values())
      if (!ended)
        this.#connection.send({ kind: "ack", job: asJobId(name), epoch: 1, seq: keptSeq, creditBytes });
  }

  /** Breaks the connection, with whatever is on its way, and resumes on the next. */
  async breakConnection(): Promise<void> {
    const { scheduler, advanceUntil } = this.#bench;
    const { connections } = scheduler;
    this.#connection.cut();
    await advanceUntil(100, () => scheduler.connections > connections);
    this.#connection = await scheduler.accept();
    this.#read = 0;
    await this.#connection.welcome([...this.jobs.values()].map((job) => this.#verdict(job)));
  }

  #verdict(job: Job): Verdict {
    const ref = { job: asJobId(job.name), epoch: 1 };
    return job.ended
      ? { verdict: "abandon", ...ref }
      : { verdict: "resume", ...ref, fromSeq: job.keptSeq + 1 };
  }

  #take(frame: AgentFrame, creditBytes: number): void {
    if (frame.kind === "hello" || frame.kind === "report") return;
    const job = this.jobs.get(frame.job);
    if (job === undefined) throw new Error(`a frame of a job that was never assigned: ${frame.job}`);
    const ref = { job: frame.job, epoch: 1 };
    if (frame.kind === "output" && !job.ended) {
      expect(frame.seq, "no gap").toBe(job.keptSeq + 1);
      job.keptSeq = frame.seq;
      job.kept += frame.deltas.map((delta) => (delta.kind === "content" ? delta.text : "")).join("");
      this.#connection.send({ kind: "ack", ...ref, seq: frame.seq, creditBytes });
    }
    if (frame.kind === "done") {
      expect(frame.lastSeq, "the end comes after all output").toBe(job.keptSeq);
      job.ended = true;
    }
    if (frame.kind === "done" || frame.kind === "aborted") this.#connection.send({ kind: "settled", ...ref });
  }
}

type Step =
  | { readonly kind: "say"; readonly job: number; readonly chars: number }
  | { readonly kind: "read"; readonly most: number; readonly creditBytes: number }
  | { readonly kind: "wait"; readonly ms: number }
  | { readonly kind: "finish"; readonly job: number }
  | { readonly kind: "break" };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("say" as const),
      job: fc.nat(1),
      chars: fc.integer({ min: 1, max: 30_000 }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("read" as const),
      most: fc.nat(5),
      creditBytes: fc.nat(80_000),
    }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("wait" as const), ms: fc.nat(60) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("finish" as const), job: fc.nat(1) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("break" as const) }) },
);

async function play(
  bench: Bench,
  scheduler: KeepingScheduler,
  jobs: readonly Job[],
  now: Step,
  index: number,
): Promise<void> {
  switch (now.kind) {
    case "say": {
      const job = jobs[now.job];
      const text = `${index}:${"x".repeat(now.chars)};`;
      if (job === undefined || finished.has(job)) return;
      job.said += text;
      return job.generation.say(text);
    }
    case "read":
      return scheduler.read(now.most, now.creditBytes);
    case "wait":
      bench.timing.advance(now.ms);
      return nextRound();
    case "finish": {
      const job = jobs[now.job];
      if (job === undefined || finished.has(job)) return;
      finished.add(job);
      return job.generation.finish();
    }
    case "break":
      return scheduler.breakConnection();
  }
}

/** Jobs whose engine is done. */
const finished = new WeakSet<Job>();

test("however connections break, a scheduler keeps exactly what the engine said, once, and each job ends", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 40 }), async (steps) => {
      await using bench = await startBench();
      const scheduler = await KeepingScheduler.connect(bench);
      await scheduler.assign("job_0");
      await scheduler.assign("job_1");
      const jobs = [...scheduler.jobs.values()];
      for (const [index, now] of steps.entries()) await play(bench, scheduler, jobs, now, index);

      for (const job of jobs) if (!finished.has(job)) job.generation.finish();
      // What was acknowledged last may have left no credit at all.
      scheduler.grant(65_536);
      await bench.advanceUntil(30, () => {
        scheduler.read(Number.POSITIVE_INFINITY, 65_536);
        return jobs.every((job) => job.ended);
      });
      for (const job of jobs) expect(job.kept === job.said, `${job.name} as its engine said it`).toBe(true);
    }),
    { numRuns: 25 },
  );
});
