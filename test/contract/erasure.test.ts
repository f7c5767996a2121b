import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { asMemberId, auditLedger, defaultStorePolicy, OperationalError, START_OF_OUTPUT } from "@coop/core";
import type { Erasures } from "@coop/core";
import { createManualClock } from "@coop/core/testing";
import { createVault, openStores } from "@coop/redis";
import {
  createErasures,
  createJobStore,
  createKeys,
  createMemberStore,
  createNodeRegistry,
  createScripts,
} from "@coop/redis/testing";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  ben,
  BENS_JOB,
  bensNode,
  CANARY,
  leaveTraces,
  maja,
  majasNode,
  MAJAS_JOBS,
  olga,
} from "../harness/erasable-member.ts";
import { month, noonMs } from "../harness/job-requests.ts";
import { useTestRedis } from "../harness/job-stores.ts";
import { contractStores } from "./stores.ts";
import type { ContractStore } from "./stores.ts";

const FENCE = 0;
/** An erasure is cut short after each of its first commands, and then after every so many. */
const EACH_STEP = 10;
const STEPS_BETWEEN = 7;

describe.each(contractStores)("an erased member, %s", (_name, start) => {
  let store: ContractStore;
  beforeAll(async () => void (store = await start()));
  afterAll(async () => store[Symbol.asyncDispose]());

  it("has no name, key, node, job or content left, and the counts that were", async () => {
    await using ports = await store.open(createManualClock());
    const { accounting, attempts, desk, erasures, members, nodes, output } = ports;
    await leaveTraces(ports, FENCE);
    const before = await accounting.account(maja, month);
    expect(before.heldTokens).toBe(200);
    expect(await erasures.erasedAtMs(maja)).toBeNull();

    expect(await erasures.eraseMember(maja, noonMs)).toEqual({
      kind: "erased",
      jobs: 4,
      keys: 1,
      nodes: 1,
      journal: expect.stringMatching(/^(rewriting|none)$/),
    });

    expect(await erasures.erasedAtMs(maja)).toBe(noonMs);
    expect(await erasures.unfinished()).toEqual([]);
    expect(await members.member(maja)).toMatchObject({ name: "erased-m_maja", disabledAtMs: noonMs });
    expect(await members.key("majakey1")).toBeNull();
    expect(await members.keys(maja)).toEqual([]);
    expect(await nodes.node(majasNode)).toMatchObject({ name: "erased-e_maja", revokedAtMs: noonMs });
    const machine = { id: majasNode, name: "again", publicKey: "k" };
    expect(await nodes.redeem("spare-mem_maja", "d", machine, noonMs)).toEqual({ kind: "unknown" });
    expect((await desk.list(maja, { limit: 10, cursor: null })).jobs).toEqual([]);
    for (const job of MAJAS_JOBS) {
      const record = await desk.read(job);
      expect(record).toMatchObject({ metadata: {}, spec: { session: null } });
      expect(await output.read(job, START_OF_OUTPUT)).toEqual([]);
    }
    const after = await accounting.account(maja, month);
    expect(after.heldTokens).toBe(0);
    expect(after.usedTokens).toBeGreaterThanOrEqual(before.usedTokens);
    expect(await desk.read(BENS_JOB)).toMatchObject({
      metadata: { note: "Ben's" },
      state: { state: "succeeded" },
    });
    expect(await members.key("benkey01")).not.toBeNull();
    expect((await output.read(BENS_JOB, START_OF_OUTPUT)).length).toBe(3);
    // A node that still works for the member says so in vain, and its time is settled.
    const usage = { promptTokens: 30, outputTokens: 9 };
    expect(await attempts.settleNode(bensNode, MAJAS_JOBS[2] ?? BENS_JOB, 1, usage, noonMs)).toBe("settled");

    expect(await erasures.eraseMember(maja, noonMs + 5)).toMatchObject({ kind: "erased", jobs: 0, keys: 0 });
    expect(await erasures.erasedAtMs(maja)).toBe(noonMs);
  });

  it("is nobody unknown, and never the last operator", async () => {
    await using ports = await store.open(createManualClock());
    const { erasures, members } = ports;
    await leaveTraces(ports, FENCE);
    expect(await erasures.eraseMember(olga, noonMs)).toEqual({ kind: "last-operator" });
    expect(await members.member(olga)).toMatchObject({ name: "olga", disabledAtMs: null });
    expect(await erasures.erasedAtMs(olga)).toBeNull();
    await members.addMember({
      ...((await members.member(olga)) ?? expect.fail("Olga is there")),
      id: ben,
      name: "none",
    });
    expect(await erasures.eraseMember("mem_nobody" as typeof maja, noonMs)).toEqual({ kind: "unknown" });
  });

  it("leaves every member another name", async () => {
    await using ports = await store.open(createManualClock());
    const { erasures, members } = ports;
    await leaveTraces(ports, FENCE);
    const one = (await members.member(maja)) ?? expect.fail("Maja is there");
    const alike = ["mem_a_000001", "mem_b_000001"].map(asMemberId);
    for (const id of alike) {
      await members.addMember({ ...one, id, name: id });
      expect(await erasures.eraseMember(id, noonMs)).toMatchObject({ kind: "erased" });
    }
    const names = await Promise.all(alike.map(async (id) => (await members.member(id))?.name));
    expect(names).toEqual(["erased-000001", "erased-mem_b_000001"]);
  });

  it("forgets what was delivered of a job that ended, and of no other", async () => {
    await using ports = await store.open(createManualClock());
    const { desk, erasures, output } = ports;
    await leaveTraces(ports, FENCE);
    const [succeeded, , running] = MAJAS_JOBS;
    if (!succeeded || !running) throw new Error("four jobs");
    expect(await erasures.forgetJob(succeeded)).toBe(true);
    expect(await output.read(succeeded, START_OF_OUTPUT)).toEqual([]);
    expect(await desk.read(succeeded)).toMatchObject({
      state: { state: "succeeded" },
      metadata: { note: CANARY },
    });
    expect(await desk.placement(succeeded)).not.toBeNull();
    expect(await erasures.forgetJob(running)).toBe(false);
    expect((await output.read(running, START_OF_OUTPUT)).length).toBe(2);
  });
});

describe("in Redis", () => {
  const server = useTestRedis();
  let directory: string;
  beforeAll(async () => void (directory = await mkdtemp(join(tmpdir(), "coop-erasure-"))));
  afterAll(() => rm(directory, { recursive: true }));

  const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

  async function open() {
    const prefix = server().prefix();
    const clock = createManualClock();
    const vault = createVault({ directory, clock });
    const { socketPath } = server();
    const stores = await openStores({ socketPath, prefix, vault, clock, log: silent });
    const redis = server().connect();
    return { prefix, vault, stores, redis };
  }

  type Connection = Awaited<ReturnType<typeof open>>["redis"];

  async function textOf(redis: Connection, key: string): Promise<string> {
    const readers: Readonly<Record<string, () => Promise<unknown>>> = {
      string: async () => redis.get(key),
      hash: async () => redis.hgetall(key),
      list: async () => redis.lrange(key, 0, -1),
      set: async () => redis.smembers(key),
      zset: async () => redis.zrange(key, 0, "-1"),
      stream: async () => redis.xrange(key, "-", "+"),
    };
    const read = readers[await redis.type(key)] ?? expect.fail(`${key} is of a kind that is read here`);
    return `${key} ${JSON.stringify(await read())}`;
  }

  /** Everything under a prefix as text, one for each key. */
  const everything = async (redis: Connection, prefix: string): Promise<readonly string[]> =>
    Promise.all((await redis.keys(`${prefix}:*`)).map(async (key) => textOf(redis, key)));

  it("no key holds a word of an erased member, sealed or not, and the books agree", async () => {
    const { prefix, stores, redis, vault } = await open();
    await using _ = stores;
    await leaveTraces(stores, FENCE);
    const sealed = (text: string): string =>
      text.replaceAll(/c1\.\d{4}-\d\d-\d\d\.[A-Za-z0-9+/=]+/g, (found) => vault.open(found) ?? "");
    const withCanary = async (): Promise<readonly string[]> =>
      (await everything(redis, prefix)).map(sealed).filter((text) => text.includes(CANARY));
    const bensOutput = createKeys(prefix).output(BENS_JOB);
    expect((await withCanary()).length).toBeGreaterThan(10);

    await stores.erasures.eraseMember(maja, noonMs);

    // Ben's own answer is his: it goes with his retention.
    expect((await withCanary()).filter((text) => !text.startsWith(bensOutput))).toEqual([]);
    expect(await redis.hget(createKeys(prefix).kept(BENS_JOB), "placement")).toContain("erased-e_maja");
    expect((await stores.output.read(BENS_JOB, START_OF_OUTPUT))[0]?.event).toMatchObject({
      kind: "placed",
      nodeName: "erased-e_maja",
    });
    expect((await stores.board.read())?.nodes[0]?.identity.name).toBe("erased-e_maja");
    expect((await auditLedger(stores.ledger, noonMs)).findings).toEqual([]);
  });

  it("an erasure that is cut short at any step is found again, and ends like any other", async () => {
    const cut = { after: Infinity };
    const redis = server().connect();
    /** The connection of a server that dies after so many commands. */
    const dying = new Proxy(redis, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name);
        if (typeof value !== "function") return value;
        return async (...args: unknown[]): Promise<unknown> => {
          if (cut.after-- <= 0) throw new OperationalError("killed", "the server was killed");
          return value.apply(target, args);
        };
      },
    });
    const clock = createManualClock();
    const vault = createVault({ directory, clock });
    const prefix = server().prefix();
    await using stores = await openStores({
      socketPath: server().socketPath,
      prefix,
      vault,
      clock,
      log: silent,
    });
    let steps = 0;
    for (let ended = false; !ended; steps += steps < EACH_STEP ? 1 : STEPS_BETWEEN) {
      await server().flush();
      await leaveTraces(stores, FENCE);
      const keys = createKeys(prefix);
      const run = createScripts(dying, prefix, defaultStorePolicy);
      const erasures: Erasures = createErasures({
        redis: dying,
        keys,
        run,
        members: createMemberStore(dying, keys, run),
        nodes: createNodeRegistry(dying, keys, run),
        desk: createJobStore({ redis: dying, prefix, vault }),
      });
      cut.after = steps;
      ended = await erasures.eraseMember(maja, noonMs).then(
        () => true,
        () => false,
      );
      cut.after = Infinity;
      const begun = (await stores.members.member(maja))?.disabledAtMs !== null;
      if (!ended && steps > 3) expect([begun, await stores.erasures.unfinished()]).toEqual([true, [maja]]);
      expect((await stores.erasures.eraseMember(maja, noonMs + 1)).kind).toBe("erased");
      expect(await stores.erasures.unfinished()).toEqual([]);
      const left = (await everything(redis, prefix)).filter((text) => text.includes(CANARY));
      expect(left, `cut after ${steps} commands`).toEqual([]);
    }
    expect(steps).toBeGreaterThan(20);
  });
});
