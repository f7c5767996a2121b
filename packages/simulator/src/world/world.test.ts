import { asMemberId, createDispatcher, tierAtLeast, TIERS } from "@coop/core";
import type { Dispatcher, JobSpec } from "@coop/core";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { comparedPolicies } from "../policies/policies.ts";
import { buildSimFleet, buildSimJob, buildSimNode } from "../testing/builders.ts";
import { dispatcherPolicy } from "./dispatcher-policy.ts";
import type { SimFleet, SimNode } from "./fleet.ts";
import type { SimJob } from "./job.ts";
import type { PolicyMaker, PolicyWorld } from "./policy.ts";
import type { WorldRun } from "./run.ts";
import { runWorld } from "./world.ts";

const RUNS = { numRuns: 40, seed: 20_260_302 } as const;

const nodeArbitrary = fc.record({
  kind: fc.constantFrom(
    ["mac-studio-m4-max-128", ["llama3.2:3b", "qwen3:8b", "qwen3:32b"]] as const,
    ["macbook-air-m4-32", ["llama3.2:3b", "qwen3:8b"]] as const,
    ["raspberry-pi-5-8", ["llama3.2:3b"]] as const,
  ),
  slots: fc.integer({ min: 1, max: 4 }),
  interference: fc.constantFrom(1, 0.3),
  lostWhenHot: fc.constantFrom(0, 0.3),
  tokensPerDay: fc.oneof(
    { weight: 3, arbitrary: fc.constant(null) },
    { weight: 1, arbitrary: fc.integer({ min: 5_000, max: 60_000 }) },
  ),
  absences: fc.oneof(
    { weight: 3, arbitrary: fc.constant([]) },
    {
      weight: 1,
      arbitrary: fc
        .tuple(fc.integer({ min: 0, max: 200 }), fc.integer({ min: 10, max: 300 }))
        .map(([fromS, forS]) => [{ fromS, untilS: fromS + forS }]),
    },
  ),
});

const fleetArbitrary: fc.Arbitrary<SimFleet> = fc
  .array(nodeArbitrary, { minLength: 1, maxLength: 4 })
  .map((wishes) => ({
    nodes: wishes.map(({ kind: [profile, models], lostWhenHot, slots, ...rest }, index): SimNode =>
      // A Pi holds one model with one slot's context.
      buildSimNode(index, profile, models, {
        ...rest,
        slots: profile.startsWith("raspberry") ? 1 : Math.min(slots, profile.startsWith("macbook") ? 2 : 4),
        cooling: { lostWhenHot, timeConstantS: 60 },
      }),
    ),
  }));

const jobsArbitrary: fc.Arbitrary<readonly SimJob[]> = fc
  .array(
    fc.record({
      gapS: fc.double({ min: 0, max: 20, noNaN: true }),
      promptTokens: fc.integer({ min: 1, max: 6_000 }),
      outputTokens: fc.integer({ min: 1, max: 1_000 }),
      tier: fc.constantFrom(...TIERS.slice(0, 3)),
      member: fc.integer({ min: 0, max: 3 }),
      band: fc.constantFrom<JobSpec["band"]>("interactive", "interactive", "batch"),
      conversation: fc.integer({ min: 0, max: 3 }),
    }),
    { minLength: 1, maxLength: 40 },
  )
  .map((asks) => {
    let arrivalS = 0;
    const cached: number[] = [];
    return asks.map(({ gapS, tier, member, band, conversation, ...lengths }, index) => {
      arrivalS += gapS;
      const prefix = { kind: "conversation" as const, conversation };
      const sharedTokens = Math.min(lengths.promptTokens - 1, cached[conversation] ?? 0);
      cached[conversation] = Math.max(cached[conversation] ?? 0, lengths.promptTokens + lengths.outputTokens);
      const job = buildSimJob(index, { arrivalS, prefix, sharedTokens, ...lengths });
      const target = { kind: "tier" as const, tier };
      return { ...job, spec: { ...job.spec, member: asMemberId(`mem_${member}`), band, target } };
    });
  });

const play = (fleet: SimFleet, jobs: readonly SimJob[], policy: PolicyMaker): WorldRun =>
  runWorld({ fleet, jobs, policy, seed: 7, untilS: null });

/** Attempts that a node ran at once at most, among those that served. */
function mostAtOnce(run: WorldRun, node: number): number {
  const turns = run.jobs
    .filter(({ index }) => run.node[index] === node && !Number.isNaN(run.endS[index] ?? Number.NaN))
    .flatMap(({ index }) => [
      { atS: run.startS[index] ?? 0, by: 1 },
      { atS: run.endS[index] ?? 0, by: -1 },
    ])
    .toSorted((one, other) => one.atS - other.atS || one.by - other.by);
  let now = 0;
  let most = 0;
  for (const { by } of turns) {
    now += by;
    most = Math.max(most, now);
  }
  return most;
}

describe.each([dispatcherPolicy, ...comparedPolicies])("under $name", (policy) => {
  const runs = policy === dispatcherPolicy ? RUNS : { ...RUNS, numRuns: 12 };

  test("no job is below its tier, no slot taken twice, no budget exceeded, no job lost", () => {
    fc.assert(
      fc.property(fleetArbitrary, jobsArbitrary, (fleet, jobs) => {
        const run = play(fleet, jobs, policy);
        for (const { index, spec, arrivalS } of jobs) {
          const node = fleet.nodes[run.node[index] ?? -1];
          const endS = run.endS[index] ?? Number.NaN;
          if (Number.isNaN(endS)) {
            expect(couldWait(fleet, spec), `job ${index} was not served`).toBe(true);
            continue;
          }
          const tier = node?.models[run.model[index] ?? -1]?.tier ?? "edge";
          expect(spec.target.kind === "tier" && tierAtLeast(tier, spec.target.tier)).toBe(true);
          expect(run.startS[index]).toBeGreaterThanOrEqual(arrivalS);
          expect(endS - arrivalS).toBeGreaterThanOrEqual((run.bestS[index] ?? 0) - 1e-4);
        }
        for (const { index, slots, tokensPerDay } of fleet.nodes) {
          expect(mostAtOnce(run, index)).toBeLessThanOrEqual(slots);
          const days = Math.ceil(run.endedAtS / 86_400);
          expect(run.nodes[index]?.usedTokens).toBeLessThanOrEqual((tokensPerDay ?? Infinity) * days);
        }
      }),
      runs,
    );
  });

  test("the same seed gives the same run", () => {
    fc.assert(
      fc.property(fleetArbitrary, jobsArbitrary, (fleet, jobs) => {
        expect(play(fleet, jobs, policy)).toEqual(play(fleet, jobs, policy));
      }),
      { ...runs, numRuns: 5 },
    );
  });
});

/** A job may be left over where no node suits it, or where one that does has a token budget. */
const couldWait = ({ nodes }: SimFleet, { target, promptTokens, maxOutputTokens }: JobSpec): boolean =>
  nodes
    .filter(({ models }) =>
      models.some(({ tier }) => target.kind === "tier" && tierAtLeast(tier, target.tier)),
    )
    .every(({ tokensPerDay }) => tokensPerDay !== null && promptTokens + maxOutputTokens > 0);

describe("the dispatcher in the world", () => {
  /** The production dispatcher, watched: on every tick that starts nothing. */
  const watched = (
    watch: (dispatcher: Dispatcher, world: PolicyWorld, waiting: ReadonlySet<JobSpec>) => void,
  ): PolicyMaker => ({
    ...dispatcherPolicy,
    create(world) {
      const dispatcher = createDispatcher({ clock: { now: world.fleet.nowMs } });
      const waiting = new Set<JobSpec>();
      return {
        step(event) {
          if (event.kind === "job-pending") waiting.add(event.spec);
          const effects = dispatcher.step(event);
          for (const { spec } of effects) waiting.delete(spec);
          if (event.kind === "tick" && effects.length === 0) watch(dispatcher, world, waiting);
          return effects.map(({ spec, node, model }) => ({ job: spec.id, node, model }));
        },
      };
    },
  });

  test("leaves no place free that a waiting job suits, unless it holds it for a better one or the fair order does", () => {
    const LOOKS = 400;
    let looks = 0;
    const policy = watched((dispatcher, { fleet }, waiting) => {
      for (const spec of waiting) {
        if (looks >= LOOKS || !fleet.placesFor(spec).some((place) => fleet.canStart(spec, place))) continue;
        const decision = dispatcher.explain(spec.id)?.decision;
        const why = decision?.kind === "waiting" ? decision.why : decision?.kind;
        expect(why).toMatch(/^held$|go first|fair order/);
        looks += 1;
      }
    });
    fc.assert(
      fc.property(
        fleetArbitrary,
        jobsArbitrary,
        (fleet, jobs) => void play(withoutBudgets(fleet), jobs, policy),
      ),
      { ...RUNS, numRuns: 15 },
    );
    expect(looks).toBeGreaterThan(100);
  });

  test("never lets a whole fleet without budgets idle while a job waits that it suits", () => {
    const policy = watched((_, { fleet }, waiting) => {
      if (fleet.nodes.some(({ present, running }) => present && running > 0)) return;
      const left = [...waiting].filter((spec) =>
        fleet.placesFor(spec).some((place) => fleet.canStart(spec, place)),
      );
      if (left.length > 0) throw new Error(`the fleet idles while ${left[0]?.id ?? ""} waits`);
    });
    fc.assert(
      fc.property(
        fleetArbitrary,
        jobsArbitrary,
        (fleet, jobs) => void play(withoutBudgets(fleet), jobs, policy),
      ),
      { ...RUNS, numRuns: 15 },
    );
  });
});

const withoutBudgets = ({ nodes }: SimFleet): SimFleet => ({
  nodes: nodes.map((node) => ({ ...node, tokensPerDay: null })),
});

describe("the world", () => {
  const fleet = buildSimFleet();
  const cheat = (
    start: (spec: JobSpec, world: PolicyWorld) => { readonly node: number; readonly model: number },
  ): PolicyMaker => ({
    name: "cheat",
    summary: "breaks the rules",
    hears: "jobs",
    create: (world) => ({
      step(event) {
        if (event.kind !== "job-pending") return [];
        const { node: index, model: place } = start(event.spec, world);
        const node = world.fleet.nodes[index];
        const model = node?.models[place];
        return node === undefined || model === undefined
          ? []
          : [{ job: event.spec.id, node: node.id, model: model.name }];
      },
    }),
  });
  const ask = (index: number, tier: (typeof TIERS)[number]): SimJob => {
    const job = buildSimJob(index, { arrivalS: 0 });
    return { ...job, spec: { ...job.spec, target: { kind: "tier", tier } } };
  };

  test("ends the run of a policy that serves below the tier, takes a slot twice or spends beyond a budget", () => {
    expect(() =>
      play(
        fleet,
        [ask(0, "local-large")],
        cheat(() => ({ node: 0, model: 0 })),
      ),
    ).toThrow(/may serve/);
    const two = [ask(0, "edge"), ask(1, "edge")];
    expect(() =>
      play(
        fleet,
        two,
        cheat(() => ({ node: 2, model: 0 })),
      ),
    ).toThrow(/has a slot/);
    const spent: SimFleet = { nodes: fleet.nodes.map((node) => ({ ...node, tokensPerDay: 4_000 })) };
    expect(() =>
      play(
        spent,
        two,
        cheat(() => ({ node: 0, model: 0 })),
      ),
    ).toThrow(/token budget/);
  });

  test("serves again what was lost with its node", () => {
    const flaky: SimFleet = {
      nodes: fleet.nodes.slice(0, 1).map((node) => ({ ...node, absences: [{ fromS: 6, untilS: 100 }] })),
    };
    const run = play(flaky, [ask(0, "local-large")], dispatcherPolicy);
    expect(run.lostAttempts).toBe(1);
    expect(run.startS[0]).toBe(100);
    expect(run.endS[0]).toBeGreaterThan(100);
  });
});
