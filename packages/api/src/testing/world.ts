import { createHash, generateKeyPairSync, randomBytes, sign } from "node:crypto";
import { asJobId, asMemberId, assert, DEFAULT_LIMITS, DEFAULT_SETTINGS, isTerminal } from "@coop/core";
import type {
  Accounting,
  JobDesk,
  JobId,
  JobRecord,
  JobSpec,
  Log,
  Member,
  NodeView,
  Role,
  ServerIdentity,
} from "@coop/core";
import {
  createManualClock,
  createMemoryAuditLog,
  createMemoryErasures,
  createMemoryFleetBoard,
  createMemoryJobStore,
  createMemoryMemberStore,
  createMemoryNodeRegistry,
  createMemoryOutputLog,
} from "@coop/core/testing";
import type { MemoryJobStore } from "@coop/core/testing";
import { createMetrics } from "@coop/metrics";
import { createApi } from "../app.ts";
import { createAuditTrail } from "../audit/trail.ts";
import { digestSecret, makeKey } from "../api-key.ts";
import { API_DEFAULTS, PENDING_CAPS } from "../deps.ts";
import type { ApiDefaults, ApiDeps } from "../deps.ts";
import { createIds } from "../ids.ts";
import { eventually } from "./eventually.ts";
import { defaultFleet } from "./fleet.ts";
import { FENCE, playAttempt } from "./played-attempt.ts";
import type { PlayedAttempt, Stage } from "./played-attempt.ts";

/**
 * The api over memory ports, with the scheduler's and the nodes' part played by the test: each admitted job
 * goes to the script of `world.onAdmitted`, which may place it, let it speak and end it.
 */

/** Times of a test: real timers, but short ones. */
const TEST_DEFAULTS: ApiDefaults = {
  ...API_DEFAULTS,
  headersHeldMs: 60,
  pingMs: 40,
  followForMs: 400,
  followEveryMs: 50,
  stalledReaderMs: 150,
  fleetMaxAgeMs: 0,
  shareMaxAgeMs: 0,
};

export interface WorldOptions {
  readonly nodes?: readonly NodeView[];
  readonly defaults?: Partial<ApiDefaults>;
  readonly replace?: (deps: ApiDeps) => Partial<ApiDeps>;
}

type Request = RequestInit & { readonly key?: string };

export async function createWorld(options: WorldOptions = {}) {
  const { deps, desk, clock, logged, backstage } = await buildDeps(options);
  const { app, stop } = createApi(deps);
  const ada = await addMember(deps, "ada", "member", null);
  const bob = await addMember(deps, "bob", "member", 10_000);
  const operator = await addMember(deps, "olga", "operator", null);

  const start = async (spec: JobSpec, stage: Partial<Stage> = {}): Promise<PlayedAttempt> =>
    playAttempt(desk, clock, spec, {
      nodeName: "studio",
      nodeOwner: asMemberId("mem_owner"),
      model: "llama3.2:3b",
      tier: "edge",
      ...stage,
    });

  /** Asks with Ada's key unless another is given. */
  const request = async (path: string, { key = ada.key, ...init }: Request = {}): Promise<Response> => {
    const headers = new Headers(init.headers);
    headers.set("authorization", `Bearer ${key}`);
    return app.request(path, { ...init, headers }, {});
  };

  return {
    app,
    deps,
    clock,
    desk,
    logged,
    ada,
    bob,
    operator,
    start,
    stop,
    request,
    admitted: backstage.admitted,
    publish: async (nodes: readonly NodeView[]): Promise<void> => publish(deps, nodes),
    post: async (path: string, body: unknown, init: Request = {}): Promise<Response> =>
      request(path, {
        method: "POST",
        body: typeof body === "string" ? body : JSON.stringify(body),
        ...init,
      }),
    /** Plays each job that is admitted from now on. */
    onAdmitted: (script: (spec: JobSpec) => Promise<void>): void => {
      backstage.script = script;
    },
    /** Places each job on the Studio and lets it say the words. */
    answerWith: (...words: readonly string[]): void => {
      backstage.script = async (spec) => {
        const attempt = await start(spec);
        await attempt.say(...words);
        await attempt.succeed();
      };
    },
    /** Resolves with the record once it satisfies. */
    until: async (job: JobId, satisfied: (record: JobRecord) => boolean): Promise<JobRecord> =>
      recordOnce(desk, job, satisfied),
    /** Fails unless every job has ended and nothing is held; and no secret or prompt was logged. */
    expectQuiet: async (): Promise<void> => {
      await Promise.all(backstage.running);
      for (const { member } of [ada, bob, operator]) await assertSettled(desk, desk.accounting, member);
      for (const line of logged) assertDiscreet(line);
    },
  };
}

export type World = Awaited<ReturnType<typeof createWorld>>;

interface Backstage {
  script: (spec: JobSpec) => Promise<void>;
  readonly running: Promise<void>[];
  readonly admitted: JobId[];
}

async function buildDeps(options: WorldOptions) {
  const clock = createManualClock();
  const logged: string[] = [];
  const backstage: Backstage = { script: async () => undefined, running: [], admitted: [] };
  const output = createMemoryOutputLog();
  const members = createMemoryMemberStore();
  const desk: MemoryJobStore = createMemoryJobStore({
    output,
    serves: members.serves,
    onWake: (wake) => {
      if (wake.kind !== "admitted") return;
      backstage.admitted.push(wake.spec.id);
      backstage.running.push(Promise.resolve().then(async () => backstage.script(wake.spec)));
    },
  });
  const nodes = createMemoryNodeRegistry(() => undefined);
  const base: ApiDeps = {
    clock,
    ids: createIds(clock),
    desk,
    accounting: desk.accounting,
    usage: desk.usage,
    output,
    members,
    ledger: desk.books,
    nodes,
    erasures: createMemoryErasures({ members, nodes, jobs: desk }),
    board: createMemoryFleetBoard(() => FENCE),
    audit: createAuditTrail({ log: createMemoryAuditLog(), key: randomBytes(32), clock }),
    serverIdentity: testIdentity(),
    agentPackage: null,
    snapshots: { take: async () => "/var/lib/coop/redis/dump.rdb" },
    leads: () => true,
    metricsToken: null,
    metricsOfMembers: true,
    pepper: randomBytes(32),
    publicUrl: () => "http://127.0.0.1:7070",
    log: collectingLog(logged),
    metrics: createMetrics(),
    pendingCaps: PENDING_CAPS,
    settings: { ...DEFAULT_SETTINGS, timeZone: "Europe/Stockholm" },
    defaults: { ...TEST_DEFAULTS, ...options.defaults },
  };
  await publish(base, options.nodes ?? defaultFleet());
  return { deps: { ...base, ...options.replace?.(base) }, desk, clock, logged, backstage };
}

const publish = async ({ board, clock }: ApiDeps, nodes: readonly NodeView[]): Promise<void> =>
  board.publish(FENCE, { atMs: clock.now(), nodes, pendingJobs: 0 });

async function addMember(
  { members, clock, pepper }: ApiDeps,
  name: string,
  role: Role,
  quotaTokens: number | null,
): Promise<{ readonly member: Member; readonly key: string }> {
  const id = asMemberId(`mem_${name}`);
  const createdAtMs = clock.now();
  const member: Member = {
    id,
    name,
    role,
    limits: {
      ...DEFAULT_LIMITS,
      tokensPerMonth: quotaTokens === null ? { kind: "unlimited" } : { kind: "tokens", tokens: quotaTokens },
    },
    weight: 1,
    defaultTier: "edge",
    createdAtMs,
    disabledAtMs: null,
  };
  await members.addMember(member);
  const keyId = `key${name}00000`;
  const { text, secret } = makeKey(keyId, randomBytes(32));
  const digest = digestSecret(pepper, secret);
  await members.addKey({
    id: keyId,
    member: id,
    digest,
    defaultPrivacy: "coop",
    createdAtMs,
    expiresAtMs: null,
    lastUsedAtMs: null,
    revokedAtMs: null,
  });
  return { member, key: text };
}

async function recordOnce(
  desk: JobDesk,
  job: JobId,
  satisfied: (record: JobRecord) => boolean,
): Promise<JobRecord> {
  let record = await desk.read(job);
  await eventually(`${job} gets where it should`, async () => {
    record = await desk.read(job);
    return record !== null && satisfied(record);
  });
  assert(record !== null, `${job} is known`);
  return record;
}

async function assertSettled(desk: JobDesk, accounting: Accounting, { id, name }: Member): Promise<void> {
  const { jobs } = await desk.list(id, { limit: 10_000, cursor: null });
  for (const { spec, state } of jobs) assert(isTerminal(state), `${spec.id} is still ${state.state}`);
  const { heldTokens } = await accounting.account(id, "2026-03");
  assert(heldTokens === 0, `${name} still holds ${heldTokens} tokens`);
}

/** Put into prompts: must never be seen in a log. */
export const CANARY = "canary-7f3a";

const assertDiscreet = (line: string): void =>
  assert(!/coop_[0-9A-Za-z]{8,}_/.test(line) && !line.includes(CANARY), `the log kept a secret: ${line}`);

export const chatBody = (changes: Readonly<Record<string, unknown>> = {}): Record<string, unknown> => ({
  model: "coop/edge",
  messages: [{ role: "user", content: `Say hello, ${CANARY}` }],
  ...changes,
});

export const jobIdOf = (response: Response): JobId => {
  const id = response.headers.get("x-coop-job");
  assert(id !== null, "the answer names its job");
  return asJobId(id);
};

function collectingLog(lines: string[]): Log {
  const write =
    (level: string) =>
    (fields: Readonly<Record<string, unknown>>, message: string): void => {
      lines.push(JSON.stringify({ level, ...fields, message }));
    };
  return { debug: write("debug"), info: write("info"), warn: write("warn"), error: write("error") };
}

function testIdentity(): ServerIdentity {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  const der = publicKey.export({ type: "spki", format: "der" });
  return {
    serverId: createHash("sha256").update(der).digest("hex"),
    publicKey: der.toString("base64"),
    sign: (text) => sign(null, Buffer.from(text), privateKey).toString("base64"),
  };
}
