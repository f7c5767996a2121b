import { asNodeId } from "@coop/core";
import type { JobId } from "@coop/core";
import { buildNodeReport } from "@coop/core/testing";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createMassLoss } from "./mass-loss.ts";
import { createTestCoop, join } from "./testing/test-coop.ts";
import type { JoinedAgent, TestCoop } from "./testing/test-coop.ts";
import { leads, startTestScheduler } from "./testing/test-scheduler.ts";
import type { TestScheduler } from "./testing/test-scheduler.ts";
import { wordsOf } from "./testing/scripted-agent.ts";
import { DEFAULT_TIMING } from "./timing.ts";

const { leaseMs, amnestyMs } = DEFAULT_TIMING;

describe("most nodes vanished", () => {
  const silent = (): void => undefined;
  const rig = (nodes: number) => {
    let nowMs = 0;
    const massLoss = createMassLoss({
      clock: { now: () => nowMs },
      log: { debug: silent, info: silent, warn: silent, error: silent },
      timing: DEFAULT_TIMING,
    });
    const node = (index: number) => asNodeId(`node_${index}`);
    for (let index = 0; index < nodes; index += 1) massLoss.joined(node(index));
    return { massLoss, node, pass: (ms: number) => void (nowMs += ms) };
  };

  test.for([
    [3, 3, false],
    [4, 2, false],
    [4, 3, true],
    [20, 10, false],
    [20, 11, true],
  ] as const)("of %d nodes %d: %s", ([nodes, vanish, suspected]) => {
    const { massLoss, node } = rig(nodes);
    for (let index = 0; index < vanish; index += 1) massLoss.vanished(node(index));
    expect(massLoss.inAmnesty()).toBe(suspected);
  });

  test("only when they vanish within a lease, did not come back, and had not said that they leave", () => {
    const { massLoss, node, pass } = rig(4);
    for (const index of [0, 1, 2]) {
      massLoss.vanished(node(index));
      pass(leaseMs);
    }
    expect(massLoss.inAmnesty()).toBe(false);
    for (const index of [0, 1, 2]) massLoss.joined(node(index));
    for (const index of [0, 1, 2]) {
      massLoss.vanished(node(index));
      massLoss.joined(node(index));
    }
    for (const index of [0, 1, 2]) massLoss.left(node(index));
    expect(massLoss.inAmnesty()).toBe(false);
  });

  test("and the amnesty ends, however many are still away", () => {
    const { massLoss, node, pass } = rig(5);
    for (const index of [0, 1, 2]) massLoss.vanished(node(index));
    pass(amnestyMs - 1);
    massLoss.vanished(node(3));
    expect(massLoss.inAmnesty()).toBe(true);
    pass(1);
    expect(massLoss.inAmnesty()).toBe(false);
  });
});

describe("a scheduler", () => {
  let coop: TestCoop;
  let server: TestScheduler;
  let offsetMs = 0;
  let sweeps = 0;
  /** Runs one job each. */
  let agents: readonly JoinedAgent[];
  let jobs: readonly JobId[];

  beforeEach(async () => {
    coop = createTestCoop();
    offsetMs = 0;
    sweeps = 0;
    coop.fate = (call) => {
      if (call === "sweep") sweeps += 1;
      return "works";
    };
    server = await startTestScheduler({ ...coop.ports, clock: { now: () => Date.now() + offsetMs } });
    await leads(server);
    for (let passedMs = 0; passedMs < amnestyMs; passedMs += leaseMs / 2) {
      offsetMs += leaseMs / 2;
      await sweptAgain();
    }
    const joined: JoinedAgent[] = [];
    const begun: JobId[] = [];
    for (const name of ["one", "two", "three", "four", "five"]) {
      const agent = await join(server, await coop.register(name), {
        report: buildNodeReport({ slots: 1 }),
      });
      const deadlineMs = Date.now() + offsetMs + 600_000;
      const job = await coop.submit({
        attachment: "detached",
        deadlineMs,
        submittedAtMs: Date.now() + offsetMs,
      });
      agent.send(wordsOf(await agent.take("assign", job)).accepted());
      await expect.poll(async () => (await coop.record(job)).state.state).toBe("running");
      joined.push(agent);
      begun.push(job);
    }
    agents = joined;
    jobs = begun;
  });
  afterEach(() => server.stop());

  /** A whole sweep since now. */
  const sweptAgain = async (): Promise<void> => {
    const before = sweeps;
    await expect.poll(() => sweeps).toBeGreaterThan(before + 1);
  };
  const stateOf = async (job: JobId): Promise<string> => (await coop.record(job)).state.state;
  const leaseUntilMs = async (job: JobId): Promise<number> => {
    const { state } = await coop.record(job);
    return "leaseUntilMs" in state ? state.leaseUntilMs : 0;
  };

  /** Time passes in steps shorter than a lease, in which the node that stayed renews its own. */
  const pass = async (ms: number): Promise<void> => {
    const stepMs = leaseMs / 2;
    for (let passedMs = 0; passedMs < ms; passedMs += stepMs) {
      offsetMs += stepMs;
      const nowMs = Date.now() + offsetMs;
      await expect.poll(() => leaseUntilMs(lastOf(jobs))).toBeGreaterThanOrEqual(nowMs + leaseMs - 1_000);
      await sweptAgain();
    }
  };
  const dropFirst = async (count: number): Promise<void> => {
    await Promise.all(agents.slice(0, count).map((agent) => agent.drop()));
    await expect.poll(() => server.scheduler.state()).toMatchObject({ connectedNodes: 5 - count });
  };

  test("that loses most nodes at once suspects itself, and tries nothing again until an amnesty passed", async () => {
    await dropFirst(3);
    await pass(leaseMs * 1.5);
    expect(await Promise.all(jobs.map(stateOf))).toEqual(jobs.map(() => "running"));
    expect(server.logged.join("\n")).toContain("most nodes vanished at once");

    await pass(amnestyMs);
    for (const job of jobs.slice(0, 3)) {
      await expect.poll(async () => (await coop.record(job)).excludedNodes).toHaveLength(1);
    }
    expect(await Promise.all(jobs.map(stateOf))).toEqual([
      "queued",
      "queued",
      "queued",
      "running",
      "running",
    ]);
  });

  test("that loses fewer tries their jobs again as soon as their leases lapse", async () => {
    await dropFirst(2);
    await pass(leaseMs * 1.5);
    for (const job of jobs.slice(0, 2)) {
      await expect.poll(async () => (await coop.record(job)).excludedNodes).toHaveLength(1);
    }
    expect(server.logged.join("\n")).not.toContain("most nodes vanished at once");
  });
});

function lastOf<T>(values: readonly T[]): T {
  const last = values.at(-1);
  if (last === undefined) throw new Error("nothing there");
  return last;
}
