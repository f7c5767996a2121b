import { asJobId, asMemberId, OperationalError, START_OF_OUTPUT } from "@coop/core";
import type {
  AttemptStore,
  JobId,
  JobRecord,
  JobSpec,
  Leadership,
  NodeReport,
  OutputEntry,
} from "@coop/core";
import {
  buildJobSpec,
  buildMachine,
  buildNodeReport,
  createMemoryFleetBoard,
  createMemoryJobStore,
  createMemoryLeadership,
  createMemoryNodeRegistry,
  createMemoryOutputLog,
  createMemoryWakeUps,
} from "@coop/core/testing";
import type { MemoryLeadership, MemoryWakeUps } from "@coop/core/testing";
import type { EngineRequest, Hello, Outgoing, SchedulerFrame } from "@coop/protocol";
import { createNodeKey, dial } from "./scripted-agent.ts";
import type { NodeKey, ScriptedAgent } from "./scripted-agent.ts";
import { unreliable } from "./unreliable-store.ts";
import type { Fate } from "./unreliable-store.ts";
import type { SchedulerPorts, TestScheduler } from "./test-scheduler.ts";

/** A co-op in memory: the stores that outlive a scheduler, members that submit, nodes that join. */
export interface TestCoop {
  readonly ports: SchedulerPorts;
  readonly leadership: MemoryLeadership;
  readonly wakeUps: MemoryWakeUps;
  /** Admits a job of member ada; each has an id of its own. */
  submit(changes?: Partial<JobSpec>, payload?: string): Promise<JobId>;
  record(job: JobId): Promise<JobRecord>;
  /** All output of a job so far. */
  output(job: JobId): Promise<readonly OutputEntry[]>;
  /** Registers a node of the owner; ada's unless said otherwise. */
  register(name: string, owner?: string): Promise<NodeKey>;
  /** What becomes of each call of the attempt store from now on; a promise holds the call back. */
  fate: (call: keyof AttemptStore) => Fate | Promise<Fate>;
  /** Kinds of the ledger's entries for a job, in order. */
  settlements(job: JobId): readonly string[];
  /** Another scheduler takes the lead behind the present leader's back. */
  usurp(): void;
  /** Campaigns fail from now on, as with the store away. */
  cutOffLeadership(): void;
  /** Loses every wake-up until they come back. */
  muteWakeUps(): void;
  unmuteWakeUps(): void;
  /** Tokens of ada's month. */
  account(): Promise<{ readonly usedTokens: number; readonly heldTokens: number }>;
}

/** What each submitted job asks an engine. */
export const REQUEST: EngineRequest = {
  kind: "chat",
  messages: [{ role: "user", content: "Why is the sky blue?" }],
  sampling: {},
  maxOutputTokens: 100,
};
const MONTH = "2026-03";
const DAY = `${MONTH}-01`;
const ADA = asMemberId("mem_ada");

export function createTestCoop(): TestCoop {
  const clock = { now: () => Date.now() };
  const leadership = createMemoryLeadership(clock);
  const wakeUps = createMemoryWakeUps();
  const output = createMemoryOutputLog();
  const store = createMemoryJobStore({ output, onWake: (wake) => muted || wakeUps.publish(wake) });
  const fencing: Leadership = {
    async campaign(candidate, address, ttlMs) {
      if (cutOff) throw new OperationalError("store-unavailable", "scripted", { retriable: true });
      if (usurped) return { kind: "following", leader: "http://usurper" };
      const outcome = await leadership.campaign(candidate, address, ttlMs);
      store.setFence(leadership.fence());
      return outcome;
    },
    resign: (candidate) => leadership.resign(candidate),
  };
  const nodes = createMemoryNodeRegistry((wake) => muted || wakeUps.publish(wake));
  const board = createMemoryFleetBoard(leadership.fence);
  const ports: SchedulerPorts = {
    clock,
    desk: store,
    attempts: unreliable(store, (call) => coop.fate(call)),
    wakeUps,
    nodes,
    board,
    leadership: fencing,
  };
  let jobs = 0;
  let usurped = false;
  let cutOff = false;
  let muted = false;

  const coop: TestCoop = {
    ports,
    fate: () => "works",
    settlements: (job) => store.ledger().flatMap((entry) => (entry.job === job ? [entry.kind] : [])),
    leadership,
    wakeUps,
    async submit(changes = {}, payload = JSON.stringify(REQUEST)) {
      jobs += 1;
      const nowMs = clock.now();
      const spec = buildJobSpec({
        id: asJobId(`job_${jobs}`),
        member: ADA,
        submittedAtMs: nowMs,
        deadlineMs: nowMs + 300_000,
        ...changes,
      });
      const outcome = await store.admit({
        spec,
        payload,
        metadata: {},
        day: DAY,
        limits: { tokens: null, tierTokens: null, jobsAtOnce: null, requestsPerMinute: null },
        caps: { perMember: 1_000, total: 1_000 },
        idempotency: null,
        followedUntilMs: spec.attachment === "attached" ? nowMs + 60_000 : null,
        nowMs,
      });
      if (outcome.kind !== "admitted") throw new Error(`admit answered ${outcome.kind}`);
      return spec.id;
    },
    async record(job) {
      const record = await store.read(job);
      if (record === null) throw new Error(`${job} is unknown`);
      return record;
    },
    output: (job) => output.read(job, START_OF_OUTPUT),
    async register(name, owner = "mem_ada") {
      const key = createNodeKey(`node_${name}`);
      const token = {
        id: `tok_${name}`,
        digest: "digest",
        member: asMemberId(owner),
        expiresAtMs: clock.now() + 60_000,
      };
      await nodes.addJoinToken(token);
      await nodes.redeem(
        token.id,
        token.digest,
        { id: key.node, name, publicKey: key.publicKey },
        clock.now(),
      );
      return key;
    },
    usurp() {
      usurped = true;
      store.setFence(leadership.fence() + 1);
    },
    cutOffLeadership() {
      cutOff = true;
    },
    muteWakeUps() {
      muted = true;
    },
    unmuteWakeUps() {
      muted = false;
      wakeUps.breakConnection();
    },
    async account() {
      const { usedTokens, heldTokens } = await store.accounting.account(ADA, MONTH);
      return { usedTokens, heldTokens };
    },
  };
  return coop;
}

/** Connects an agent of an idle M4 Max with one loaded edge model; it has said nothing yet. */
export const dialAs = (
  server: TestScheduler,
  key: NodeKey,
  report: Partial<NodeReport> = {},
): ScriptedAgent => dial(server.url, key, { machine: buildMachine(), report: buildNodeReport(report) });

export type JoinedAgent = ScriptedAgent & { readonly welcome: Extract<SchedulerFrame, { kind: "welcome" }> };

/** Connects and joins. */
export async function join(
  server: TestScheduler,
  key: NodeKey,
  hello: Partial<Outgoing<Hello>> = {},
): Promise<JoinedAgent> {
  const agent = dialAs(server, key);
  await agent.hello(hello);
  return { ...agent, welcome: await agent.take("welcome") };
}
