import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type {
  Accounting,
  AttemptStore,
  AuditLog,
  Clock,
  Erasures,
  FleetBoard,
  JobDesk,
  Leadership,
  Log,
  MemberStore,
  NodeRegistry,
  OutputLog,
  WakeUps,
} from "@coop/core";
import {
  createManualClock,
  createMemoryAuditLog,
  createMemoryErasures,
  createMemoryFleetBoard,
  createMemoryJobStore,
  createMemoryLeadership,
  createMemoryMemberStore,
  createMemoryNodeRegistry,
  createMemoryOutputLog,
  createMemoryWakeUps,
} from "@coop/core/testing";
import { createVault, openStores } from "@coop/redis";
import { startTestRedis } from "../harness/redis.ts";

/** The ports that both kinds of store serve here, fresh and empty. */
export interface ContractPorts {
  readonly leadership: Leadership;
  readonly members: MemberStore;
  readonly nodes: NodeRegistry;
  readonly board: FleetBoard;
  readonly wakeUps: WakeUps;
  readonly desk: JobDesk;
  readonly accounting: Accounting;
  readonly attempts: AttemptStore;
  readonly audit: AuditLog;
  readonly erasures: Erasures;
  readonly output: OutputLog;
}

/** One kind of store under contract. */
export interface ContractStore extends AsyncDisposable {
  open(clock: Clock): Promise<ContractPorts & AsyncDisposable>;
}

export const contractStores: readonly (readonly [string, () => Promise<ContractStore>])[] = [
  ["in memory", memory],
  ["on Redis", redis],
];

async function memory(): Promise<ContractStore> {
  return {
    async open(clock) {
      const leadership = createMemoryLeadership(clock);
      const wakeUps = createMemoryWakeUps();
      const members = createMemoryMemberStore();
      const nodes = createMemoryNodeRegistry(wakeUps.publish);
      const output = createMemoryOutputLog();
      const jobs = createMemoryJobStore({
        output,
        serves: members.serves,
        onWake: wakeUps.publish,
      });
      return {
        leadership,
        wakeUps,
        members,
        desk: jobs,
        accounting: jobs.accounting,
        attempts: jobs,
        audit: createMemoryAuditLog(),
        nodes,
        erasures: createMemoryErasures({ members, nodes, jobs }),
        output,
        board: createMemoryFleetBoard(leadership.fence),
        [Symbol.asyncDispose]: async () => {},
      };
    },
    [Symbol.asyncDispose]: async () => {},
  };
}

const complaints: Log = {
  debug: () => {},
  info: () => {},
  warn: (fields, message) => process.emitWarning(`${message} ${JSON.stringify(fields)}`),
  error: (fields, message) => process.emitWarning(`${message} ${JSON.stringify(fields)}`),
};

async function redis(): Promise<ContractStore> {
  const testRedis = await startTestRedis();
  const keys = await mkdtemp(join(tmpdir(), "coop-contract-"));
  const vault = createVault({ directory: keys, clock: createManualClock() });
  return {
    async open(clock) {
      const prefix = `{contract-${randomBytes(4).toString("hex")}}`;
      return await openStores({ socketPath: testRedis.socketPath, prefix, vault, clock, log: complaints });
    },
    async [Symbol.asyncDispose]() {
      await testRedis.stop();
      await rm(keys, { recursive: true, force: true });
    },
  };
}
