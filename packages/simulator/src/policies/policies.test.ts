import { asMemberId } from "@coop/core";
import type { Tier } from "@coop/core";
import { createSeededRandom } from "@coop/core/testing";
import { describe, expect, test } from "vitest";
import { buildSimFleet, buildSimJob, buildSimNode } from "../testing/builders.ts";
import type { SimFleet } from "../world/fleet.ts";
import type { SimJob } from "../world/job.ts";
import type { PolicyMaker } from "../world/policy.ts";
import type { WorldRun } from "../world/run.ts";
import { runWorld } from "../world/world.ts";
import { greedyFifo } from "./greedy-fifo.ts";
import { greedySjf } from "./greedy-sjf.ts";
import { leastLoadedBySpeed } from "./least-loaded-by-speed.ts";
import { leastLoaded } from "./least-loaded.ts";
import { comparedPolicies } from "./policies.ts";
import { powerOfTwo } from "./power-of-two.ts";
import { prequal } from "./prequal.ts";
import { queueScore } from "./queue-score.ts";
import { randomPull } from "./random-pull.ts";
import { roundRobin } from "./round-robin.ts";

const STUDIO = 0;
const AIR = 1;
const PI = 2;
const fleet = buildSimFleet();

interface Ask {
  readonly atS: number;
  readonly tier?: Tier;
  readonly promptTokens?: number;
  readonly outputTokens?: number;
  readonly session?: string;
}

const jobsOf = (asks: readonly Ask[]): SimJob[] =>
  asks.map(({ atS, tier = "edge", session = null, ...lengths }, index) => {
    const job = buildSimJob(index, { arrivalS: atS, ...lengths });
    return { ...job, spec: { ...job.spec, session, target: { kind: "tier", tier } } };
  });

const run = (policy: PolicyMaker, asks: readonly Ask[], nodes: SimFleet = fleet, seed = 1): WorldRun =>
  runWorld({ fleet: nodes, jobs: jobsOf(asks), policy, seed, untilS: null });

/** The node that served each job. */
const served = (...of: Parameters<typeof run>): number[] => [...run(...of).node];
const times = (count: number, ask: (index: number) => Ask): Ask[] =>
  Array.from({ length: count }, (_, index) => ask(index));
const twoStudios: SimFleet = {
  nodes: [0, 1].map((index) => buildSimNode(index, "mac-studio-m4-max-128", ["llama3.2:3b"], { slots: 4 })),
};

describe("random pull", () => {
  test("spreads jobs over all free slots, speed or not", () => {
    const nodes = served(
      randomPull,
      times(140, (index) => ({ atS: index * 400 })),
    );
    const counts = [STUDIO, AIR, PI].map((node) => nodes.filter((one) => one === node).length);
    // 4, 2 and 1 slots of 7.
    expect(counts[0]).toBeGreaterThan(60);
    expect(counts[1]).toBeGreaterThan(20);
    expect(counts[2]).toBeGreaterThan(8);
  });

  test("serves the oldest first", () => {
    const one = { nodes: fleet.nodes.slice(2).map((node) => ({ ...node, index: 0 })) };
    const { startS } = run(
      randomPull,
      times(4, (index) => ({ atS: index })),
      one,
    );
    expect([...startS]).toEqual([...startS].toSorted((a, b) => a - b));
  });
});

test("round robin takes turns among the nodes that may serve a job", () => {
  const edge = times(6, (index) => ({ atS: index * 1_000 }));
  expect(served(roundRobin, edge)).toEqual([STUDIO, AIR, PI, STUDIO, AIR, PI]);
  const small = times(4, (index) => ({ atS: index * 1_000, tier: "local-small" as const }));
  expect(served(roundRobin, small)).toEqual([STUDIO, AIR, STUDIO, AIR]);
});

describe("least-loaded", () => {
  test("counts jobs for the slots there are, and does not see speed", () => {
    // Four at once on idle nodes: each node has one (1/4, 1/2, 1/1), then the Studio has the most room.
    const nodes = served(
      leastLoaded,
      times(4, () => ({ atS: 0, outputTokens: 400 })),
    );
    expect(nodes.toSorted((one, other) => one - other)).toEqual([STUDIO, STUDIO, AIR, PI]);
  });

  test("leaves the choice among equals to chance", () => {
    const firsts = new Set(
      times(12, () => ({ atS: 0 })).map((ask, seed) => served(leastLoaded, [ask], fleet, seed)[0]),
    );
    expect(firsts).toEqual(new Set([STUDIO, AIR, PI]));
  });
});

describe("least-loaded by speed", () => {
  test("uses the fast node until its queue outweighs its speed", () => {
    const nodes = served(
      leastLoadedBySpeed,
      times(24, () => ({ atS: 0 })),
    );
    expect(nodes.slice(0, 4)).toEqual([STUDIO, STUDIO, STUDIO, STUDIO]);
    expect(nodes).toContain(AIR);
    expect(nodes).not.toContain(PI);
  });
});

describe("power of two", () => {
  test("joins the less loaded of two", () => {
    const nodes = served(
      powerOfTwo,
      times(8, () => ({ atS: 0 })),
      twoStudios,
    );
    expect(nodes.filter((node) => node === 0)).toHaveLength(4);
  });

  test("seldom draws a slow node", () => {
    const nodes = served(
      powerOfTwo,
      times(60, (index) => ({ atS: index * 400 })),
    );
    expect(nodes.filter((node) => node === PI).length).toBeLessThan(10);
    expect(nodes.filter((node) => node === STUDIO).length).toBeGreaterThan(20);
  });
});

describe("Prequal", () => {
  test("sends to the cold node of least latency", () => {
    expect(
      new Set(
        served(
          prequal,
          times(20, (index) => ({ atS: index * 400 })),
        ),
      ),
    ).toEqual(new Set([STUDIO]));
  });

  test("passes over the hot node, however fast", () => {
    const nodes = served(
      prequal,
      times(30, () => ({ atS: 0, outputTokens: 400 })),
    );
    expect(nodes).toContain(AIR);
  });
});

describe("queue score", () => {
  test("keeps a conversation where its last turn was", () => {
    const turns = times(12, (index) => ({ atS: index * 400, session: "s" }));
    expect(new Set(served(queueScore, turns, twoStudios)).size).toBe(1);
    const strangers = times(12, (index) => ({ atS: index * 400, session: `s${index}` }));
    expect(new Set(served(queueScore, strangers, twoStudios)).size).toBe(2);
  });

  test("leaves a conversation's node when its queue is the longest and others are free", () => {
    // Weights 2 + 2 for an empty queue and free slots stand against 3 for the prefix.
    const asks = times(12, () => ({ atS: 0, session: "s", outputTokens: 400 }));
    expect(new Set(served(queueScore, asks, twoStudios)).size).toBe(2);
  });
});

describe("greedy-fastest", () => {
  test("takes the fastest free place, and a slow one rather than none", () => {
    const nodes = served(
      greedyFifo,
      times(8, () => ({ atS: 0, outputTokens: 400 })),
    );
    expect(nodes.slice(0, 7)).toEqual([STUDIO, STUDIO, STUDIO, STUDIO, AIR, AIR, PI]);
  });

  const crowd: Ask[] = [
    ...times(7, (index) => ({ atS: 0, outputTokens: 600 + 60 * index })),
    { atS: 1, promptTokens: 6_000 },
    { atS: 2, promptTokens: 100 },
  ];

  test("first come first served starts the older of two", () => {
    const { startS } = run(greedyFifo, crowd);
    expect(startS[7]).toBeLessThan(startS[8] ?? 0);
  });

  test("shortest first starts the shorter of two", () => {
    const { startS } = run(greedySjf, crowd);
    expect(startS[8]).toBeLessThan(startS[7] ?? 0);
  });
});

describe("every policy", () => {
  /** Memory for one large model at a time, budgets that run out, a node that leaves and comes back. */
  const awkward: SimFleet = {
    nodes: [
      buildSimNode(0, "mac-studio-m4-max-128", ["llama3.2:3b", "qwen3:8b", "qwen3:32b"], {
        slots: 4,
        modelMemoryBytes: 45e9,
        absences: [{ fromS: 300, untilS: 420 }],
      }),
      buildSimNode(1, "macbook-air-m4-32", ["llama3.2:3b", "qwen3:8b"], { slots: 2, tokensPerDay: 60_000 }),
      buildSimNode(2, "raspberry-pi-5-8", ["llama3.2:3b"], { tokensPerDay: 9_000 }),
    ],
  };
  const random = createSeededRandom(11);
  const TIERS: readonly Tier[] = ["edge", "edge", "local-small", "local-large"];
  const jobs = jobsOf(
    times(220, (index) => ({
      atS: index * 3 * random.next(),
      tier: TIERS[Math.floor(random.next() * TIERS.length)] ?? "edge",
      promptTokens: 20 + Math.floor(random.next() * 1_500),
      outputTokens: 1 + Math.floor(random.next() * 300),
    })).toSorted((one, other) => one.atS - other.atS),
  ).map((job) => ({
    ...job,
    spec: {
      ...job.spec,
      member: asMemberId(`mem_${job.index % 5}`),
      privacy: job.index % 29 === 0 ? ("own" as const) : ("coop" as const),
    },
  }));
  const owned = awkward.nodes.map((node) => ({ ...node, owner: asMemberId("mem_0") }));
  const others = jobs.map((job) =>
    job.spec.privacy === "own" ? { ...job, spec: { ...job.spec, member: asMemberId("mem_0") } } : job,
  );

  test.for(comparedPolicies)("$name serves all, within tier, memory, slots and budgets", (policy) => {
    const found = runWorld({ fleet: { nodes: owned }, jobs: others, policy, seed: 3, untilS: null });
    for (const { spec, index } of others) {
      expect(found.endS[index], `${spec.id} ends`).toBeGreaterThan(0);
      const model = owned[found.node[index] ?? -1]?.models[found.model[index] ?? -1];
      const wanted = spec.target.kind === "tier" ? spec.target.tier : "edge";
      const order = ["edge", "local-small", "local-large"];
      expect(order.indexOf(model?.tier ?? "")).toBeGreaterThanOrEqual(order.indexOf(wanted));
    }
    expect(found.nodes[AIR]?.usedTokens).toBeLessThanOrEqual(60_000);
    expect(found.nodes[PI]?.usedTokens).toBeLessThanOrEqual(9_000);
  });

  test.for(comparedPolicies)("$name decides the same again", (policy) => {
    const again = () => [
      ...runWorld({ fleet: { nodes: owned }, jobs: others, policy, seed: 5, untilS: null }).endS,
    ];
    expect(again()).toEqual(again());
  });
});
