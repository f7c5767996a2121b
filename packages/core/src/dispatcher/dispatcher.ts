import type { Clock } from "../clock.ts";
import { assert } from "../assert.ts";
import { tierOfModel } from "../catalogue/tiers.ts";
import type { ActiveAttempt, FleetSnapshot, NodeView } from "../fleet/node.ts";
import { holdTokens } from "../job/job.ts";
import type { JobSpec } from "../job/job.ts";
import { explainPlacement } from "../placement/explain.ts";
import type { Placement } from "../placement/explanation.ts";
import type { JobId, NodeId, Tier } from "../terms.ts";
import type { DispatchEffect, DispatchEvent } from "./events.ts";

/** Decides which pending job starts where, and when to wait. It owns its state; time comes from its clock. */
export interface Dispatcher {
  /** Takes in what happened and answers with what starts now; an assigned job counts as active at once. */
  step(event: DispatchEvent): readonly DispatchEffect[];
  /** Why a pending job is where it is; null when the job is not pending here. */
  explain(job: JobId): Placement | null;
  /** The fleet as the dispatcher sees it. */
  snapshot(): FleetSnapshot;
  /** Jobs that wait, those that back off included. */
  pendingCount(): number;
  /** When the next `tick` is due (a job's back-off ends), ms since the Unix epoch; null when nothing waits for time. */
  nextWakeMs(): number | null;
}

interface Waiting {
  readonly spec: JobSpec;
  readonly excludedNodes: readonly NodeId[];
  readonly notBeforeMs: number;
}

export function createDispatcher({ clock }: { readonly clock: Clock }): Dispatcher {
  const nodes = new Map<NodeId, NodeView>();
  const waiting = new Map<JobId, Waiting>();
  const homes = new Map<string, NodeId>();
  const specs = new Map<string, JobSpec>();

  const change = (id: NodeId, changes: Partial<NodeView>): void => {
    const node = nodes.get(id);
    if (node !== undefined) nodes.set(id, { ...node, ...changes });
  };
  const end = (job: JobId): void => {
    waiting.delete(job);
    const home = homes.get(job);
    homes.delete(job);
    specs.delete(job);
    const node = home === undefined ? undefined : nodes.get(home);
    if (node !== undefined)
      change(node.identity.id, { active: node.active.filter((attempt) => attempt.job !== job) });
  };
  const start = (node: NodeView, attempt: ActiveAttempt, spec: JobSpec): void => {
    homes.set(attempt.job, node.identity.id);
    specs.set(attempt.job, spec);
    const left = node.tokensLeftToday;
    change(node.identity.id, {
      active: [...node.active, attempt],
      tokensLeftToday: left === null ? null : left - holdTokens(spec),
    });
  };
  const snapshot = (): FleetSnapshot => ({
    atMs: clock.now(),
    nodes: [...nodes.values()],
    pendingJobs: waiting.size,
  });

  const dispatch = (): DispatchEffect[] => {
    const effects: DispatchEffect[] = [];
    const nowMs = clock.now();
    for (const { spec, notBeforeMs, excludedNodes } of waiting.values()) {
      if (notBeforeMs > nowMs) continue;
      const placement = explainPlacement(spec, snapshot(), nowMs, excludedNodes);
      const { decision } = placement;
      if (decision.kind !== "assigned") continue;
      const node = nodes.get(decision.node);
      assert(node !== undefined, "a job is assigned to a known node");
      waiting.delete(spec.id);
      start(node, activeAttempt(spec, decision.model, nowMs, 0), spec);
      effects.push({
        kind: "assign",
        spec,
        node: decision.node,
        model: decision.model,
        tier: decision.tier,
        placement,
      });
    }
    return effects;
  };

  return {
    step(event) {
      const nowMs = clock.now();
      switch (event.kind) {
        case "job-pending":
          if (!homes.has(event.spec.id)) waiting.set(event.spec.id, event);
          break;
        case "job-gone":
          end(event.job);
          break;
        case "node-joined": {
          const { identity, machine, report, tokensLeftToday } = event;
          const tiers: Record<string, Tier> = Object.fromEntries(
            report.models.map((model) => [model.name, tierOfModel(model)]),
          );
          for (const attempt of nodes.get(identity.id)?.active ?? []) homes.delete(attempt.job);
          nodes.set(identity.id, {
            identity,
            machine,
            report,
            connected: true,
            lastSeenMs: nowMs,
            active: [],
            tokensLeftToday,
            tiers,
          });
          for (const run of event.running) {
            end(run.spec.id);
            const node = nodes.get(identity.id);
            assert(node !== undefined, "the node just joined");
            start(node, activeAttempt(run.spec, run.model, run.startedAtMs, run.outputTokens), run.spec);
          }
          break;
        }
        case "node-reported": {
          const tiers: Record<string, Tier> = Object.fromEntries(
            event.report.models.map((model) => [model.name, tierOfModel(model)]),
          );
          change(event.node, {
            report: event.report,
            tokensLeftToday: event.tokensLeftToday,
            lastSeenMs: nowMs,
            tiers,
          });
          break;
        }
        case "node-left":
          change(event.node, { connected: false });
          break;
        case "node-removed":
          for (const attempt of nodes.get(event.node)?.active ?? []) homes.delete(attempt.job);
          nodes.delete(event.node);
          break;
        case "attempt-progress": {
          const home = homes.get(event.job);
          const node = home === undefined ? undefined : nodes.get(home);
          if (node === undefined) break;
          const active = node.active.map((attempt) =>
            attempt.job === event.job
              ? { ...attempt, phase: event.phase, outputTokens: event.outputTokens }
              : attempt,
          );
          change(node.identity.id, { active });
          break;
        }
        case "attempt-ended":
          end(event.job);
          break;
        case "tick":
          break;
      }
      return dispatch();
    },
    explain(job) {
      const found = waiting.get(job);
      return found === undefined
        ? null
        : explainPlacement(found.spec, snapshot(), clock.now(), found.excludedNodes);
    },
    snapshot,
    pendingCount: () => waiting.size,
    nextWakeMs() {
      const due = [...waiting.values()].map((job) => job.notBeforeMs).filter((ms) => ms > clock.now());
      return due.length === 0 ? null : Math.min(...due);
    },
  };
}

const activeAttempt = (
  spec: JobSpec,
  model: string,
  startedAtMs: number,
  outputTokens: number,
): ActiveAttempt => ({
  job: spec.id,
  model,
  phase: outputTokens > 0 ? "decode" : "assigned",
  startedAtMs,
  promptTokens: spec.promptTokens,
  maxOutputTokens: spec.maxOutputTokens,
  outputTokens,
});
