import { asJobId, createCalendar } from "@coop/core";
import type { JobId, NodeReport, Usage } from "@coop/core";
import { buildNodeReport, createSeededRandom } from "@coop/core/testing";
import type { Assign } from "@coop/protocol";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { wordsOf } from "./testing/scripted-agent.ts";
import type { NodeKey } from "./testing/scripted-agent.ts";
import { createTestCoop, join } from "./testing/test-coop.ts";
import type { JoinedAgent, TestCoop } from "./testing/test-coop.ts";
import { leads, startTestScheduler } from "./testing/test-scheduler.ts";
import type { TestScheduler } from "./testing/test-scheduler.ts";

/** What a job of the test's member holds: 464 tokens of prompt at most, and 512 of output. */
const HOLD = 976;

let coop: TestCoop;
let server: TestScheduler;
let key: NodeKey;

beforeEach(async () => {
  coop = createTestCoop();
  key = await coop.register("studio");
});
afterEach(() => server.stop());

const start = async (timeZone = "UTC", leaseMs = 30_000): Promise<void> => {
  server = await startTestScheduler(coop.ports, { amnestyMs: 0, leaseMs }, timeZone);
  await leads(server);
};
const today = (timeZone = "UTC"): string => createCalendar(timeZone).dayOf(Date.now());
const account = (day = today()) => coop.ports.attempts.nodeAccount(key.node, day);
const isWaiting = async (job: JobId): Promise<boolean> => (await coop.record(job)).state.state === "queued";
const published = async () => (await coop.ports.board.read())?.nodes[0];
const report = (agent: JoinedAgent, changes: Partial<NodeReport>): void =>
  agent.send({ kind: "report", report: buildNodeReport(changes) });

/** Has the node run a job to its end. */
async function serve(agent: JoinedAgent, job: JobId, usage: Usage): Promise<void> {
  const say = wordsOf(await agent.take("assign", job));
  agent.send(say.accepted());
  agent.send(say.output(1, "x".repeat(usage.outputTokens), usage.outputTokens));
  agent.send(say.done(1, usage));
  await agent.take("settled", job);
}

describe("a flapping node", () => {
  test("never takes more than its budget, whatever came of its attempts and however late it tells", async () => {
    await start();
    const limits = { tokensPerDay: 10 * HOLD, tokensPerMonth: 12 * HOLD, slots: 2 };
    const hello = { report: buildNodeReport(limits) };
    const random = createSeededRandom(7);
    let agent = await join(server, key, hello);
    /** What its engine really made. */
    let workedTokens = 0;
    const late: (() => void)[] = [];
    let attempts = 0;

    const within = async (): Promise<{ readonly usedTokens: number; readonly heldTokens: number }> => {
      const { day } = await account();
      expect(day.usedTokens + day.heldTokens).toBeLessThanOrEqual(limits.tokensPerDay);
      return day;
    };
    const flap = async (running: Parameters<typeof join>[2] = {}): Promise<void> => {
      await agent.drop();
      agent = await join(server, key, { ...hello, ...running });
    };
    const behave = async (assign: Assign): Promise<void> => {
      const { job } = assign;
      const say = wordsOf(assign);
      const usage = { promptTokens: 200, outputTokens: 100 + Math.floor(random.next() * 400) };
      const work = (): void => {
        agent.send(say.accepted());
        agent.send(say.output(1, "x".repeat(usage.outputTokens), usage.outputTokens));
        workedTokens += usage.promptTokens + usage.outputTokens;
      };
      switch (attempts % 5) {
        case 0:
          work();
          agent.send(say.done(1, usage));
          return void (await agent.take("settled", job));
        // It worked, vanished, forgot the attempt, and tells of it much later.
        case 1:
          work();
          await agent.take("ack", job);
          late.push(() => agent.send(say.done(1, usage)));
          return flap();
        // It vanished before it took the assign.
        case 2:
          return flap();
        // It came back with the attempt and ended it.
        case 3:
          work();
          await agent.take("ack", job);
          await flap({ running: [say.running(1)] });
          agent.send(say.done(1, usage));
          return void (await agent.take("settled", job));
        // It failed after some work.
        default:
          work();
          await agent.take("ack", job);
          agent.send(say.failed("engine-error", 1, usage));
          return void (await agent.take("settled", job));
      }
    };

    /** The next attempt, a retry of what came to nothing among them; null when nothing more fits the budget. */
    const nextAssign = async (): Promise<Assign | null> => {
      if (agent.untaken("assign").length === 0) await coop.submit();
      const isSpent = async (): Promise<boolean> => {
        const { usedTokens, heldTokens } = await within();
        return heldTokens === 0 && usedTokens + HOLD > limits.tokensPerDay;
      };
      await expect
        .poll(async () => agent.untaken("assign").length > 0 || (await isSpent()), { timeout: 5_000 })
        .toBe(true);
      return agent.untaken("assign").length > 0 ? await agent.take("assign") : null;
    };

    for (let assign = await nextAssign(); assign !== null; assign = await nextAssign()) {
      await behave(assign);
      attempts += 1;
      await within();
      if (attempts % 4 === 0) for (const tell of late.splice(0)) tell();
    }
    for (const tell of late) tell();
    // An answer to this comes after all of that was heard.
    agent.send({ kind: "accepted", job: asJobId("job_unknown"), epoch: 1 });
    await agent.take("cancel", asJobId("job_unknown"));

    expect(attempts).toBeGreaterThanOrEqual(10);
    const { usedTokens, heldTokens } = await within();
    expect(heldTokens).toBe(0);
    expect(usedTokens).toBeGreaterThanOrEqual(workedTokens);
    expect(workedTokens).toBeLessThanOrEqual(limits.tokensPerDay);
  });
});

describe("a node that was declared dead", () => {
  test("keeps the tokens of its attempt set aside until it says what became of it", async () => {
    await start("UTC", 500);
    const hello = { report: buildNodeReport({ tokensPerDay: HOLD + 500 }) };
    const agent = await join(server, key, hello);
    const first = await coop.submit({ attachment: "detached" });
    const say = wordsOf(await agent.take("assign"));
    agent.send(say.accepted());
    agent.send(say.output(1, "x".repeat(8), 8));
    await agent.take("ack");
    await agent.drop();
    await expect.poll(() => isWaiting(first), { timeout: 5_000 }).toBe(true);

    const second = await coop.submit();
    const back = await join(server, key, { ...hello, running: [say.running(1)] });
    expect(back.welcome.running).toMatchObject([{ verdict: "abandon", job: first }]);
    expect(await back.take("budget")).toMatchObject({ day: { usedTokens: 0, heldTokens: HOLD } });
    await expect.poll(published).toMatchObject({ connected: true, budget: { dayLeftTokens: 500 } });
    expect(await isWaiting(second)).toBe(true);
    expect((await account()).day).toEqual({ usedTokens: 0, heldTokens: HOLD });

    back.send(say.done(1, { promptTokens: 200, outputTokens: 8 }));
    await back.take("settled", first);
    expect((await account()).day).toMatchObject({ usedTokens: 208 });
    report(back, { tokensPerDay: HOLD + 500 });
    await serve(back, second, { promptTokens: 200, outputTokens: 20 });
    await serve(back, first, { promptTokens: 200, outputTokens: 10 });
    const spent = { usedTokens: 208 + 220 + 210, heldTokens: 0 };
    expect(await account()).toEqual({ day: spent, month: spent });
    expect(coop.settlements(first)).toEqual(["node-settled", "succeeded"]);
    expect(await coop.account()).toEqual({ usedTokens: 430, heldTokens: 0 });
  });
});

test("a node that comes back without the attempt that it was given is charged with all that was set aside for it", async () => {
  await start("UTC", 500);
  const hello = { report: buildNodeReport({ tokensPerDay: HOLD }) };
  const agent = await join(server, key, hello);
  const job = await coop.submit({ attachment: "detached" });
  const say = wordsOf(await agent.take("assign"));
  agent.send(say.accepted());
  agent.send(say.output(1, "x".repeat(8), 8));
  await agent.take("ack");
  await agent.drop();
  await expect.poll(() => isWaiting(job), { timeout: 5_000 }).toBe(true);
  const back = await join(server, key, hello);
  expect(await back.take("budget")).toMatchObject({ day: { usedTokens: HOLD, heldTokens: 0 } });
  back.send(say.done(1, { promptTokens: 200, outputTokens: 8 }));
  await back.take("settled", job);
  expect((await account()).day).toEqual({ usedTokens: HOLD, heldTokens: 0 });
  expect(await isWaiting(job)).toBe(true);
});

describe("a budget", () => {
  test("of the month holds as one of the day does, and is told to the agent", async () => {
    await start();
    const agent = await join(server, key, { report: buildNodeReport({ tokensPerMonth: 1_100 }) });
    expect(await agent.take("budget")).toMatchObject({
      day: {
        limitTokens: null,
        usedTokens: 0,
        heldTokens: 0,
        endsMs: createCalendar("UTC").dayEndsMs(Date.now()),
      },
      month: { limitTokens: 1_100, endsMs: createCalendar("UTC").monthEndsMs(Date.now()) },
    });
    await serve(agent, await coop.submit(), { promptTokens: 200, outputTokens: 20 });
    const next = await coop.submit();
    report(agent, { tokensPerMonth: 1_100, power: "battery" });
    await expect
      .poll(published)
      .toMatchObject({ report: { power: "battery" }, budget: { dayLeftTokens: null, monthLeftTokens: 880 } });
    expect(await isWaiting(next)).toBe(true);
    report(agent, { tokensPerMonth: 2_000 });
    expect((await agent.take("assign")).job).toBe(next);
  });

  test("that its owner lowers below what is spent holds at once; what runs is finished", async () => {
    await start();
    const agent = await join(server, key, { report: buildNodeReport({ tokensPerDay: 5_000 }) });
    await agent.take("budget");
    await serve(agent, await coop.submit(), { promptTokens: 200, outputTokens: 20 });
    const running = await coop.submit();
    const say = wordsOf(await agent.take("assign", running));
    agent.send(say.accepted());
    report(agent, { tokensPerDay: 100 });
    expect(await agent.take("budget")).toMatchObject({
      day: { limitTokens: 100, usedTokens: 220, heldTokens: HOLD },
    });
    const next = await coop.submit();
    await expect.poll(published).toMatchObject({ budget: { dayLeftTokens: 0 } });
    expect(await isWaiting(next)).toBe(true);
    agent.send(say.output(1, "ok", 1));
    agent.send(say.done(1, { promptTokens: 200, outputTokens: 1 }));
    await agent.take("settled", running);
    expect((await coop.record(running)).state.state).toBe("succeeded");
    expect(agent.untaken("assign")).toEqual([]);
  });

  test("counts by the co-op's day, whichever day it is elsewhere", async () => {
    const timeZone = new Date().getUTCHours() >= 11 ? "Pacific/Kiritimati" : "Pacific/Niue";
    expect(today(timeZone)).not.toBe(today());
    await start(timeZone);
    const agent = await join(server, key, { report: buildNodeReport({ tokensPerDay: 5_000 }) });
    await serve(agent, await coop.submit(), { promptTokens: 200, outputTokens: 20 });
    report(agent, { tokensPerDay: 5_000, power: "battery" });
    await expect
      .poll(published)
      .toMatchObject({ report: { power: "battery" }, budget: { dayLeftTokens: 4_780 } });
    expect((await account(today(timeZone))).day.usedTokens).toBe(220);
    expect((await account(today())).day.usedTokens).toBe(0);
    expect((await agent.take("budget")).day.endsMs).toBe(createCalendar(timeZone).dayEndsMs(Date.now()));
  });
});

test("a node that its owner closed takes nothing, until its report says that it is open again", async () => {
  await start();
  const availability = { kind: "closed", reason: "paused", untilMs: null } as const;
  const agent = await join(server, key, { report: buildNodeReport({ availability }) });
  const job = await coop.submit();
  await expect.poll(published).toMatchObject({ report: { availability } });
  expect(await isWaiting(job)).toBe(true);
  report(agent, {});
  expect((await agent.take("assign")).job).toBe(job);
});

test("what a node offers is written down when it joins, and when it changes, but not at every word", async () => {
  await start();
  const offer = async () => (await coop.ports.nodes.node(key.node))?.offer ?? null;
  const agent = await join(server, key, { report: buildNodeReport({ tokensPerMonth: 5_000 }) });
  await expect.poll(offer).toMatchObject({
    tokensPerMonth: 5_000,
    servingSecondsPerDay: 86_400,
    machineProfile: "mac-studio-m4-max-128",
    simulated: false,
  });
  report(agent, { tokensPerMonth: 4_000, power: "battery" });
  await expect.poll(published).toMatchObject({ report: { power: "battery" } });
  expect((await offer())?.tokensPerMonth).toBe(5_000);

  await server.stop();
  await start();
  await join(server, key, { report: buildNodeReport({ tokensPerMonth: 4_000 }) });
  await expect.poll(offer).toMatchObject({ tokensPerMonth: 4_000 });
  const { atMs } = (await offer()) ?? { atMs: 0 };
  await server.stop();
  await start();
  await join(server, key, { report: buildNodeReport({ tokensPerMonth: 4_000 }) });
  await expect.poll(published).toMatchObject({ connected: true });
  expect((await offer())?.atMs).toBe(atMs);
});
