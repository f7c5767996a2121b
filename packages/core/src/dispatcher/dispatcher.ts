import type { Clock } from "../clock.ts";
import { assert, assertNever } from "../assert.ts";
import { decodeStepMs, prefillMs } from "../capacity/decode.ts";
import { leftTokens } from "../budget/node-budget.ts";
import { createFairCounters } from "../fairness/counters.ts";
import { referenceSeconds } from "../fairness/reference.ts";
import type { FleetSnapshot, NodeReport } from "../fleet/node.ts";
import type { JobSpec, Usage } from "../job/job.ts";
import type { Choice } from "../placement/choose.ts";
import { expectedMoreTokens } from "../placement/expected-output.ts";
import type { Placement } from "../placement/explanation.ts";
import type { JobId, MemberId, NodeId } from "../terms.ts";
import type { DispatchEffect, DispatchEvent } from "./events.ts";
import { explainAssigned, explainPending } from "./explain-pending.ts";
import {
  createFleetNode,
  endAttempt,
  noteProgress,
  refresh,
  startAttempt,
  takeReport,
  viewOf,
} from "./fleet.ts";
import type { Attempt, FleetNode } from "./fleet.ts";
import type { RoundCandidate } from "./gather.ts";
import type { JobKind } from "./job-kind.ts";
import { createOutputLengths } from "./output-lengths.ts";
import { createPendingJobs } from "./pending-jobs.ts";
import { createPrefixes } from "./prefixes.ts";
import { runRound } from "./round.ts";
import type { PassView, RoundState } from "./round.ts";
import { createUrgentLane } from "./urgency.ts";
import { speedsOf, usableBy } from "./usable.ts";
import type { UsableModels } from "./usable.ts";
import type { MemoryWish } from "./warm-up.ts";
import { createWishing } from "./wishes.ts";

/** Decides which pending job starts where, and when to wait. It owns its state; time comes from its clock. */
export interface Dispatcher {
  /** Takes in what happened and answers with what starts now; an assigned job counts as active at once. */
  step(event: DispatchEvent): readonly DispatchEffect[];
  /** Models to load, and to unload for them, ahead of the jobs that wait: each once. Ask now and then. */
  wishes(): readonly MemoryWish[];
  /** Why a pending job is where it is; null when the job is not pending here. */
  explain(job: JobId): Placement | null;
  /** The fleet as the dispatcher sees it. */
  snapshot(): FleetSnapshot;
  /** Jobs that wait, those that back off included. */
  pendingCount(): number;
}

/** How long a ranking of models by speed may be used. */
const RANKED_MS = 10_000;

type Event<Kind extends DispatchEvent["kind"]> = Extract<DispatchEvent, { kind: Kind }>;

export function createDispatcher({ clock }: { readonly clock: Clock }): Dispatcher {
  const nodes = new Map<NodeId, FleetNode>();
  const byIndex: (FleetNode | undefined)[] = [];
  const attempts = new Map<JobId, Attempt>();
  const counters = createFairCounters();
  const outputs = createOutputLengths();
  const prefixes = createPrefixes();
  const urgentLane = createUrgentLane();
  const pending = createPendingJobs({
    counters,
    outputs,
    usableBy: (kind) => usable(kind),
  });
  /** Changes of what the fleet can serve. */
  let changes = 0;
  /** Growths of what is left of a token budget: a job that waits for one may be looked at again. */
  let budgetGrowths = 0;

  let fleet: readonly FleetNode[] = [];
  /** Worked out when it is asked for. */
  let fleetByOwner: ReadonlyMap<MemberId, readonly FleetNode[]> | null = null;
  const claimClasses = new Map<string, number>();

  const setFleet = (): void => {
    fleet = [...nodes.values()];
    fleetByOwner = null;
    changes += 1;
  };

  /** Number of the class of nodes that serve the same models. */
  const claimClassOf = ({ models }: NodeReport): number => {
    const key = models
      .map(({ name }) => name)
      .sort()
      .join();
    const known = claimClasses.get(key) ?? claimClasses.size;
    claimClasses.set(key, known);
    return known;
  };

  /** What a kind may use; ranked again when the fleet changed and now and then, as rates are learned. */
  const usable = (kind: JobKind): UsableModels => {
    const nowMs = clock.now();
    const known = kind.usable;
    const isFresh = known !== null && Math.abs(nowMs - known.rankedAtMs) < RANKED_MS;
    if (isFresh && kind.usableAtChange === changes) return known;
    const found = usableBy(kind, fleet, nowMs);
    if (kind.usableAtChange !== changes || known === null) kind.shares.cover(speedsOf(found));
    kind.usable = found;
    kind.usableAtChange = changes;
    return found;
  };

  const state: RoundState = {
    counters,
    outputs,
    prefixes,
    urgentLane,
    usableBy: usable,
    kinds: pending.kinds,
    fleet: () => fleet,
    nodeAt(index) {
      const node = byIndex[index];
      assert(node !== undefined, `node ${index} is in the fleet`);
      return node;
    },
    ownedBy(member) {
      fleetByOwner ??= Map.groupBy(fleet, ({ identity }) => identity.owner);
      return fleetByOwner.get(member) ?? [];
    },
    changes: () => changes,
    budgetGrowths: () => budgetGrowths,
  };

  const wishing = createWishing(state);

  /** Makes an attempt active and charges its member for what is expected of it. */
  const begin = (
    spec: JobSpec,
    node: FleetNode,
    model: string,
    run: { readonly startedAtMs: number; readonly outputTokens: number; readonly holdsTokens: boolean },
  ): void => {
    const meanOutputTokens = outputs.meansFor(spec)(model);
    const report = node.report.models.find((known) => known.name === model);
    const expectedTokens = Math.max(
      run.outputTokens,
      expectedMoreTokens(meanOutputTokens, 0, spec.maxOutputTokens),
    );
    const referenceS = (outputTokens: number): number =>
      report === undefined ? 0 : referenceSeconds(report.capacity, spec.promptTokens, outputTokens);
    const chargedS = referenceS(expectedTokens);
    const attempt: Attempt = {
      spec,
      node,
      model,
      startedAtMs: run.startedAtMs,
      meanOutputTokens,
      cachedTokens: prefixes.cachedTokens(spec, node.index, model),
      expectedTokens: spec.promptTokens + expectedTokens,
      chargedS,
      mostS: Math.max(chargedS, referenceS(spec.maxOutputTokens)),
      phase: run.outputTokens > 0 ? "decode" : "assigned",
      outputTokens: run.outputTokens,
      heardAtMs: clock.now(),
    };
    attempts.set(spec.id, attempt);
    prefixes.started(spec, node.index, model);
    startAttempt(attempt, run.holdsTokens, clock.now());
    charge(attempt, chargedS);
    counters.mayOverrun(spec.member, spec.weight, attempt.mostS - chargedS);
  };

  const charge = ({ spec, node }: Attempt, referenceS: number): void =>
    counters.charge(spec.member, spec.weight, referenceS, {
      claimClass: node.claimClass,
      nowMs: clock.now(),
    });

  const referenceSOf = ({ node, model }: Attempt, { promptTokens, outputTokens }: Usage): number => {
    const report = node.report.models.find((known) => known.name === model);
    return report === undefined ? 0 : referenceSeconds(report.capacity, promptTokens, outputTokens);
  };

  /** Charges for an output that outgrew what was expected of it. */
  const chargeGrowth = (attempt: Attempt): void => {
    const { spec, outputTokens, chargedS, mostS } = attempt;
    const soFarS = Math.min(mostS, referenceSOf(attempt, { promptTokens: spec.promptTokens, outputTokens }));
    if (soFarS <= chargedS) return;
    attempt.chargedS = soFarS;
    charge(attempt, soFarS - chargedS);
    counters.mayOverrun(spec.member, spec.weight, chargedS - soFarS);
  };

  /** Ends an attempt; its member is charged for `served`, its node for `usage` (null: not known). */
  const end = (attempt: Attempt, usage: Usage | null, served: Usage | null): void => {
    const { spec, node, chargedS, mostS } = attempt;
    attempts.delete(spec.id);
    endAttempt(attempt, usage, clock.now());
    if (usage !== null && leftTokens(node.budget) !== Infinity) budgetGrowths += 1;
    charge(attempt, (served === null ? 0 : referenceSOf(attempt, served)) - chargedS);
    counters.mayOverrun(spec.member, spec.weight, chargedS - mostS);
  };

  const join = (event: Event<"node-joined">): void => {
    const nowMs = clock.now();
    const known = nodes.get(event.identity.id);
    // What a node that comes back no longer runs has ended, whatever is still to be heard of it.
    for (const attempt of known?.attempts.values() ?? []) end(attempt, null, null);
    const claimClass = claimClassOf(event.report);
    const node = createFleetNode(known?.index ?? byIndex.length, claimClass, event, nowMs);
    node.modelsVersion = (known?.modelsVersion ?? 0) + 1;
    node.pace = known?.pace ?? node.pace;
    node.time = known?.time ?? node.time;
    byIndex[node.index] = node;
    nodes.set(event.identity.id, node);
    setFleet();
    for (const { spec, model, startedAtMs, outputTokens } of event.running) {
      pending.remove(spec.id);
      const elsewhere = attempts.get(spec.id);
      if (elsewhere !== undefined) end(elsewhere, null, null);
      begin(spec, node, model, { startedAtMs, outputTokens, holdsTokens: false });
    }
  };

  const leave = (id: NodeId): void => {
    const node = nodes.get(id);
    if (node === undefined) return;
    node.connected = false;
    refresh(node);
    changes += 1;
  };

  const remove = (id: NodeId): void => {
    const node = nodes.get(id);
    if (node === undefined) return;
    for (const attempt of node.attempts.values()) end(attempt, null, null);
    nodes.delete(id);
    byIndex[node.index] = undefined;
    setFleet();
  };

  /** Answers whether anything may start because of it. */
  const takeIn = (event: DispatchEvent): boolean => {
    const nowMs = clock.now();
    switch (event.kind) {
      case "job-pending":
        return !attempts.has(event.spec.id) && pending.add(event, nowMs);
      case "job-gone": {
        pending.remove(event.job);
        const attempt = attempts.get(event.job);
        if (attempt === undefined) return true;
        end(attempt, null, servedSoFar(attempt, nowMs));
        // It would have been longer still: what is cut short must not teach that outputs are short.
        if (attempt.outputTokens > attempt.meanOutputTokens) {
          outputs.learn(attempt.spec, attempt.model, attempt.outputTokens);
        }
        return true;
      }
      case "node-joined":
        join(event);
        return true;
      case "node-reported": {
        const node = nodes.get(event.node);
        if (node === undefined) return false;
        const leftBefore = leftTokens(node.budget);
        const changed = takeReport(node, event.report, event.budget, nowMs);
        if (changed) {
          node.claimClass = claimClassOf(event.report);
          changes += 1;
        }
        if (leftTokens(node.budget) > leftBefore) budgetGrowths += 1;
        return true;
      }
      case "node-left":
        leave(event.node);
        return true;
      case "node-removed":
        remove(event.node);
        return true;
      case "attempt-progress": {
        const attempt = attempts.get(event.job);
        if (attempt === undefined) return false;
        noteProgress(attempt, event.phase, event.outputTokens, nowMs);
        chargeGrowth(attempt);
        return false;
      }
      case "attempt-ended": {
        const attempt = attempts.get(event.job);
        if (attempt === undefined) return false;
        end(attempt, event.usage, event.usage);
        const outputTokens = event.usage?.outputTokens ?? 0;
        if (outputTokens > 0) outputs.learn(attempt.spec, attempt.model, outputTokens);
        if (event.usage !== null) {
          const { spec, node, model } = attempt;
          const tokens = event.usage.promptTokens + outputTokens;
          prefixes.ended(spec, { node: node.index, model, slots: node.report.slots, tokens });
        }
        return true;
      }
      case "tick":
        return true;
    }
    return assertNever(event);
  };

  const dispatch = (): readonly DispatchEffect[] => {
    const nowMs = clock.now();
    const effects: DispatchEffect[] = [];
    runRound(state, nowMs, (candidate: RoundCandidate, { option, cost }: Choice, view: PassView) => {
      const { spec, job } = candidate;
      const node = state.nodeAt(option.node);
      const model = node.report.models[option.model]?.name;
      assert(model !== undefined, `${node.identity.name} has the model that was chosen`);
      assert(node.attempts.size < node.report.slots, `${node.identity.name} has a free slot`);
      const placement = explainAssigned(state, nowMs, candidate, { option, cost }, view);
      const inPassing = view.turnOf(candidate, node) === "passing";
      pending.started(job, node);
      counters.started(candidate.referenceS, inPassing);
      urgentLane.started(candidate.referenceS, candidate.urgent);
      begin(spec, node, model, { startedAtMs: nowMs, outputTokens: 0, holdsTokens: true });
      const tier = node.tiers[model] ?? "edge";
      effects.push({ kind: "assign", spec, node: node.identity.id, model, tier, placement });
    });
    return effects;
  };

  return {
    step(event) {
      const mayStart = takeIn(event);
      const isDue = pending.wakeUp(clock.now());
      return mayStart || isDue ? dispatch() : [];
    },
    wishes: () => (pending.count() === 0 ? [] : wishing.wishes(clock.now())),
    explain(id) {
      const job = pending.find(id);
      return job === undefined ? null : explainPending(state, clock.now(), job);
    },
    snapshot: () => ({
      atMs: clock.now(),
      nodes: Array.from(nodes.values(), viewOf),
      pendingJobs: pending.count(),
      queues: pending.byTier(),
      service: counters.served(),
    }),
    pendingCount: pending.count,
  };
}

/**
 * What a member had of an attempt that was cut short. Where no output was heard of, as much as there was time for, and
 * no more than was expected.
 */
function servedSoFar(attempt: Attempt, nowMs: number): Usage {
  const { phase, spec, node, model, outputTokens, expectedTokens, startedAtMs } = attempt;
  const { promptTokens } = spec;
  if (phase === "decode") return { promptTokens, outputTokens };
  const capacity = node.report.models.find((known) => known.name === model)?.capacity;
  if (capacity === undefined) return { promptTokens: 0, outputTokens: 0 };
  const elapsedMs = Math.max(0, nowMs - startedAtMs);
  const wholeMs = prefillMs(capacity, promptTokens);
  if (elapsedMs < wholeMs) return { promptTokens: (promptTokens * elapsedMs) / wholeMs, outputTokens: 0 };
  const tokens = (elapsedMs - wholeMs) / decodeStepMs(capacity, promptTokens, 1);
  return { promptTokens, outputTokens: Math.min(tokens, Math.max(0, expectedTokens - promptTokens)) };
}
