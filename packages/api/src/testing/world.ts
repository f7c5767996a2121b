import { generateKeyPairSync, sign } from "node:crypto";
import { asJobId, asMemberId, asNodeId, assert, isTerminal } from "@coop/core";
import type {
  Delta,
  FailureClass,
  FleetSnapshot,
  JobId,
  JobRecord,
  JobSpec,
  Log,
  Member,
  NodeId,
  NodeView,
  Placement,
  Role,
  ServerIdentity,
  Usage,
} from "@coop/core";
import {
  buildModelReport,
  buildNodeIdentity,
  buildNodeReport,
  buildNodeView,
  createManualClock,
  createMemoryFleetBoard,
  createMemoryJobStore,
  createMemoryMemberStore,
  createMemoryNodeRegistry,
  createMemoryOutputLog,
} from "@coop/core/testing";
import { createMetrics } from "@coop/metrics";
import { engineRequestSchema } from "@coop/protocol";
import type { EngineRequest } from "@coop/protocol";
import { createHash, randomBytes } from "node:crypto";
import { createApi } from "../app.ts";
import { digestSecret, makeKey } from "../api-key.ts";
import { API_DEFAULTS, PENDING_CAPS } from "../deps.ts";
import type { ApiDefaults, ApiDeps } from "../deps.ts";
import { createIds } from "../ids.ts";

/**
 * The api over memory ports, with the scheduler's and the nodes' part played by the test: each admitted job
 * goes to `world.onAdmitted`, which may place it, let it speak and end it.
 */

/** One attempt that the test plays. */
export interface PlayedAttempt {
  readonly spec: JobSpec;
  readonly request: EngineRequest;
  readonly epoch: number;
  say(...texts: readonly string[]): Promise<void>;
  output(deltas: readonly Delta[]): Promise<void>;
  succeed(usage?: Usage, finishReason?: "stop" | "length" | "tool_calls"): Promise<void>;
  fail(code: FailureClass, message: string): Promise<void>;
}

export const STUDIO = asNodeId("node_studio");
const FENCE = 0;

/** A Studio with chat, vision and embedding models, and a Pi with one small model of 4,096 tokens of context. */
export function defaultFleet(): readonly NodeView[] {
  const chat = buildModelReport({
    name: "qwen3:32b",
    parameterCount: 32e9,
    capabilities: ["completion", "tools", "thinking"],
    contextTokens: 32_768,
  });
  const small = buildModelReport({ name: "llama3.2:3b" });
  const vision = buildModelReport({
    name: "gemma4:latest",
    parameterCount: 12e9,
    capabilities: ["completion", "vision"],
  });
  const embedder = buildModelReport({
    name: "nomic-embed-text:latest",
    parameterCount: 137e6,
    capabilities: ["embedding"],
    contextTokens: 2048,
  });
  return [
    buildNodeView({ report: buildNodeReport({ models: [chat, small, vision, embedder] }) }),
    buildNodeView({
      identity: buildNodeIdentity({ id: asNodeId("node_pi"), name: "pi", owner: asMemberId("mem_bob") }),
      report: buildNodeReport({
        slots: 1,
        models: [buildModelReport({ name: "llama3.2:3b", contextTokens: 4096 })],
      }),
    }),
  ];
}

/** Times of a test: real timers, but short ones. */
const TEST_DEFAULTS: ApiDefaults = {
  ...API_DEFAULTS,
  headersHeldMs: 60,
  pingMs: 40,
  followForMs: 400,
  followEveryMs: 50,
  stalledReaderMs: 150,
  fleetMaxAgeMs: 0,
};

export interface WorldOptions {
  readonly nodes?: readonly NodeView[];
  readonly defaults?: Partial<ApiDefaults>;
  readonly replace?: (deps: ApiDeps) => Partial<ApiDeps>;
}

export async function createWorld(options: WorldOptions = {}) {
  const clock = createManualClock();
  const output = createMemoryOutputLog();
  const logged: string[] = [];
  const log = collectingLog(logged);
  const pepper = randomBytes(32);
  const play = { onAdmitted: async (_spec: JobSpec): Promise<void> => undefined };
  const background: Promise<void>[] = [];
  const admitted: JobId[] = [];
  const desk = createMemoryJobStore({
    output,
    onWake: (wake) => {
      if (wake.kind !== "admitted") return;
      admitted.push(wake.spec.id);
      background.push(Promise.resolve().then(async () => play.onAdmitted(wake.spec)));
    },
  });
  const members = createMemoryMemberStore();
  const board = createMemoryFleetBoard(() => FENCE);
  const publish = async (nodes: readonly NodeView[]): Promise<void> => {
    const snapshot: FleetSnapshot = { atMs: clock.now(), nodes, pendingJobs: 0 };
    await board.publish(FENCE, snapshot);
  };
  await publish(options.nodes ?? defaultFleet());

  const base: ApiDeps = {
    clock,
    ids: createIds(clock),
    desk,
    output,
    members,
    nodes: createMemoryNodeRegistry(() => undefined),
    board,
    serverIdentity: testIdentity(),
    pepper,
    publicUrl: () => "http://127.0.0.1:7070",
    log,
    metrics: createMetrics(),
    pendingCaps: PENDING_CAPS,
    timeZone: "Europe/Stockholm",
    defaults: { ...TEST_DEFAULTS, ...options.defaults },
  };
  const deps: ApiDeps = { ...base, ...options.replace?.(base) };
  const app = createApi(deps);

  const join = async (
    name: string,
    role: Role,
    quotaTokens: number | null,
  ): Promise<{ readonly member: Member; readonly key: string }> => {
    const member: Member = {
      id: asMemberId(`mem_${name}`),
      name,
      role,
      quotaTokens,
      weight: 1,
      defaultTier: "edge",
      createdAtMs: clock.now(),
    };
    await members.addMember(member);
    const { text, secret } = makeKey(`key${name}00000`, randomBytes(32));
    await members.addKey({
      id: `key${name}00000`,
      member: member.id,
      digest: digestSecret(pepper, secret),
      defaultPrivacy: "coop",
      createdAtMs: clock.now(),
      revokedAtMs: null,
    });
    return { member, key: text };
  };
  const ada = await join("ada", "member", null);
  const bob = await join("bob", "member", 10_000);
  const operator = await join("olga", "operator", null);

  const start = async (
    spec: JobSpec,
    node: NodeId = STUDIO,
    nodeName = "studio",
    model = "llama3.2:3b",
  ): Promise<PlayedAttempt> => {
    const lease = await desk.lease({
      fence: FENCE,
      job: spec.id,
      node,
      nodeName,
      nodeOwner: asMemberId("mem_owner"),
      model,
      tier: "edge",
      cloud: false,
      tokensPerDay: null,
      day: "2026-03-01",
      leaseUntilMs: clock.now() + 30_000,
      placement: placementOn(node, nodeName, model, clock.now()),
      nowMs: clock.now(),
    });
    assert(lease.kind === "leased", `${spec.id} is leased, not ${lease.kind}`);
    await desk.accept(FENCE, spec.id, lease.epoch);
    let seq = 0;
    const send = async (deltas: readonly Delta[], tokens: number): Promise<void> => {
      seq += 1;
      await desk.append({ fence: FENCE, job: spec.id, epoch: lease.epoch, seq, deltas, tokens });
    };
    return {
      spec,
      request: engineRequestSchema.parse(JSON.parse(lease.payload)),
      epoch: lease.epoch,
      say: async (...texts) => {
        for (const text of texts) await send([{ kind: "content", text }], 1);
      },
      output: async (deltas) => send(deltas, deltas.length),
      succeed: async (usage = { promptTokens: 11, outputTokens: seq }, finishReason = "stop") => {
        const timings = { loadMs: 1, prefillMs: 2, decodeMs: 3, totalMs: 6 };
        await desk.finish(
          FENCE,
          spec.id,
          lease.epoch,
          { kind: "succeeded", finishReason, usage, timings },
          clock.now(),
        );
      },
      fail: async (code, message) => {
        await desk.finish(
          FENCE,
          spec.id,
          lease.epoch,
          { kind: "failed", code, message, usage: { promptTokens: 0, outputTokens: seq } },
          clock.now(),
        );
      },
    };
  };

  /** The node of an attempt goes away; says what became of the job. */
  const lose = async ({ spec, epoch }: PlayedAttempt): Promise<"requeued" | "failed"> => {
    const outcome = await desk.expire({
      fence: FENCE,
      job: spec.id,
      epoch,
      failure: "node-lost",
      message: "the node went away",
      usage: { promptTokens: 0, outputTokens: 0 },
      excludeNode: true,
      counts: true,
      notBeforeMs: 0,
      maxAttempts: 3,
      nowMs: clock.now(),
    });
    assert(
      outcome.kind === "requeued" || outcome.kind === "failed",
      `${spec.id} is lost, not ${outcome.kind}`,
    );
    return outcome.kind;
  };

  const request = async (
    path: string,
    init: RequestInit & { readonly key?: string } = {},
  ): Promise<Response> => {
    const { key = ada.key, ...rest } = init;
    const headers = new Headers(rest.headers);
    if (key !== "" && !headers.has("authorization")) headers.set("authorization", `Bearer ${key}`);
    return app.request(path, { ...rest, headers });
  };
  const post = async (
    path: string,
    body: unknown,
    init: RequestInit & { readonly key?: string } = {},
  ): Promise<Response> =>
    request(path, { method: "POST", body: typeof body === "string" ? body : JSON.stringify(body), ...init });

  return {
    app,
    deps,
    clock,
    desk,
    output,
    members,
    log,
    logged,
    publish,
    ada,
    bob,
    operator,
    start,
    lose,
    request,
    post,
    admitted,
    join,
    /** Plays each job that is admitted from now on. */
    onAdmitted: (script: (spec: JobSpec) => Promise<void>): void => {
      play.onAdmitted = script;
    },
    /** Places each job on the Studio and lets it say the words. */
    answerWith: (...words: readonly string[]): void => {
      play.onAdmitted = async (spec) => {
        const attempt = await start(spec);
        await attempt.say(...words);
        await attempt.succeed();
      };
    },
    /** Resolves with the record once it satisfies. */
    until: async (job: JobId, satisfied: (record: JobRecord) => boolean): Promise<JobRecord> => {
      let record = await desk.read(job);
      await eventually(`${job} gets where it should`, async () => {
        record = await desk.read(job);
        return record !== null && satisfied(record);
      });
      assert(record !== null, `${job} is known`);
      return record;
    },
    /** Fails unless every job has ended and nothing is held; and no secret or prompt was logged. */
    expectQuiet: async (): Promise<void> => {
      await Promise.all(background);
      for (const { member } of [ada, bob, operator]) {
        const { jobs } = await desk.list(member.id, { limit: 10_000, cursor: null });
        for (const { spec, state } of jobs) assert(isTerminal(state), `${spec.id} is still ${state.state}`);
        const { heldTokens } = await desk.account(member.id, "2026-03");
        assert(heldTokens === 0, `${member.name} still holds ${heldTokens} tokens`);
      }
      for (const line of logged) {
        assert(
          !/coop_[0-9A-Za-z]{8,}_/.test(line) && !line.includes(CANARY),
          `the log kept a secret: ${line}`,
        );
      }
    },
  };
}

/** Resolves once the condition holds; fails after five seconds. */
export async function eventually(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const untilMs = performance.now() + 5_000;
  while (!(await holds())) {
    assert(performance.now() < untilMs, `in time: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

export type World = Awaited<ReturnType<typeof createWorld>>;

/** Put into prompts: must never be seen in a log. */
export const CANARY = "canary-7f3a";

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

const placementOn = (node: NodeId, nodeName: string, model: string, atMs: number): Placement => ({
  atMs,
  decision: { kind: "assigned", node, nodeName, model, tier: "edge" },
  nodes: [],
});
