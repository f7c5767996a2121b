import { OperationalError, TIERS } from "@coop/core";
import type { Tier } from "@coop/core";
import type { ReplayOutcome, ReplayRequest, ReplayRun } from "@coop/protocol";
import { placesOf } from "../bounds/work.ts";
import { mean, metricsOf, quantile } from "../run/metrics.ts";
import { dispatcherPolicy } from "../world/dispatcher-policy.ts";
import type { SimFleet } from "../world/fleet.ts";
import type { SimJob } from "../world/job.ts";
import type { WorldRun } from "../world/run.ts";
import { runWorld } from "../world/world.ts";
import { simJobs } from "./jobs.ts";
import { changedFleet, fleetAsIs } from "./machines.ts";

/**
 * Serves the co-op's past again: once on its machines as they are, once as they would be. Both are simulated, so that
 * what differs between them is the fleet alone.
 * @throws OperationalError `nothing-to-replay`, and those of `changedFleet`
 */
export function replay({ fleet, jobs: past, without, add }: ReplayRequest): ReplayOutcome {
  const replayed = past.filter(({ outcome }) => outcome === "succeeded" || outcome === "expired");
  const jobs = simJobs(replayed, fleet.timeZone);
  if (jobs.length === 0) {
    throw new OperationalError(
      "nothing-to-replay",
      "No job of that time has ended: there is nothing to replay.",
    );
  }
  const asIs = fleetAsIs(fleet.machines);
  const succeeded = past.filter(({ outcome }) => outcome === "succeeded");
  const times = replayed.map(({ submittedAtMs }) => submittedAtMs);
  return {
    object: "coop.replay",
    jobs: jobs.length,
    leftOut: past.length - replayed.length,
    fromMs: times.reduce((one, other) => Math.min(one, other)),
    untilMs: times.reduce((one, other) => Math.max(one, other)),
    measuredLatencyS:
      succeeded.length === 0
        ? null
        : mean(succeeded.map(({ submittedAtMs, endedAtMs }) => (endedAtMs - submittedAtMs) / 1000)),
    before: runOn(asIs, jobs),
    after: runOn(changedFleet(asIs, { without, add }), jobs),
  };
}

/** How long after the last arrival jobs may still be served: what waits longer has been too much for the machines. */
const AFTERWARDS_S = 86_400;

/** Jobs that no machine can ever serve would wait for good: they are counted and left out. */
function runOn(fleet: SimFleet, jobs: readonly SimJob[]): ReplayRun {
  const servable = jobs
    .filter(({ spec }) => placesOf(fleet, spec).length > 0)
    .map((job, index) => ({ ...job, index }));
  const untilS = (servable.at(-1)?.arrivalS ?? 0) + AFTERWARDS_S;
  const run = runWorld({ fleet, jobs: servable, policy: dispatcherPolicy, seed: 1, untilS });
  const { budgets, utilisation } = metricsOf(run);
  const servedOn = fleet.nodes.map(() => 0);
  for (const node of run.node) if (node >= 0) servedOn[node] = (servedOn[node] ?? 0) + 1;
  return {
    tiers: TIERS.flatMap((tier) => {
      const asked = jobs.filter(({ spec }) => spec.askedTier === tier);
      return asked.length === 0 ? [] : [tierOutcome(tier, asked.length, run)];
    }),
    nodes: run.nodes.map(({ name, usedTokens }, index) => ({
      name,
      jobs: servedOn[index] ?? 0,
      busyShare: utilisation[name] ?? 0,
      usedTokens,
      spentShare: budgets[name]?.spentShare ?? null,
    })),
  };
}

function tierOutcome(tier: Tier, askedFor: number, run: WorldRun): ReplayRun["tiers"][number] {
  const asked = run.jobs.filter(({ spec }) => spec.askedTier === tier);
  const waitsS: number[] = [];
  const latenciesS: number[] = [];
  const servedBy: Partial<Record<Tier, number>> = {};
  for (const { index, arrivalS } of asked) {
    const endS = run.endS[index] ?? Number.NaN;
    if (Number.isNaN(endS)) continue;
    latenciesS.push(endS - arrivalS);
    waitsS.push((run.startS[index] ?? Number.NaN) - arrivalS);
    const by = run.fleet.nodes[run.node[index] ?? -1]?.models[run.model[index] ?? -1]?.tier;
    if (by !== undefined) servedBy[by] = (servedBy[by] ?? 0) + 1;
  }
  waitsS.sort((one, other) => one - other);
  const hasServed = waitsS.length > 0;
  return {
    tier,
    jobs: askedFor,
    beyond: askedFor - asked.length,
    unserved: asked.length - waitsS.length,
    meanWaitS: hasServed ? mean(waitsS) : null,
    p95WaitS: hasServed ? quantile(waitsS, 0.95) : null,
    meanLatencyS: hasServed ? mean(latenciesS) : null,
    servedBy,
  };
}
