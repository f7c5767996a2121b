import { leftTokens } from "../budget/node-budget.ts";
import { createVirtualNode, evictionsFor } from "../placement/virtual-node.ts";
import type { MemberId } from "../terms.ts";
import type { FleetNode } from "./fleet.ts";
import { hasFreeSlot, planOf } from "./fleet.ts";
import { firstOf } from "./heap.ts";
import type { JobKind } from "./job-kind.ts";
import { smallerFirst } from "./pending-job.ts";
import type { PendingJob } from "./pending-job.ts";
import type { UsableModel } from "./usable.ts";

/**
 * Owner first: whoever lends a machine goes ahead on it.
 *
 * O1. No job of another member starts on a node while a job of the node's owner waits that could start there now,
 *     unless that job starts elsewhere in the same round. Whether it would rather wait for a better node makes no
 *     difference: until then the node is kept for it.
 * O2. On their own node the fair order's window does not hold owners back. What they have there counts as theirs
 *     all the same.
 */
export interface OwnerFirst {
  /** Jobs of a kind whose owner has a free node of their own for them; few of each owner, small first. */
  readonly jobsOf: (kind: JobKind) => readonly PendingJob[];
  /** The models of their own free nodes that a member's jobs of a kind could start on now. */
  readonly ownModels: (member: MemberId, kind: JobKind) => readonly UsableModel[];
  /** Whether the node is kept for its owner's waiting jobs, and the member is another. */
  readonly isKeptFrom: (member: MemberId, node: FleetNode) => boolean;
}

/** Jobs of one owner and kind that a pass looks at because of their own nodes. */
const JOBS_MAX = 8;
/** Own models that are added to what a job weighs in a large fleet. */
const OWN_MODELS_MAX = 16;

export function createOwnerFirst(deps: {
  readonly kinds: () => Iterable<JobKind>;
  readonly ownedBy: (member: MemberId) => readonly FleetNode[];
  readonly nowMs: number;
}): OwnerFirst {
  const kept = new Map<FleetNode, boolean>();
  const startable = new Map<JobKind, Map<MemberId, readonly UsableModel[]>>();

  const ownModels = (member: MemberId, kind: JobKind): readonly UsableModel[] => {
    const owned = deps.ownedBy(member);
    if (owned.length === 0) return [];
    const ofKind = startable.get(kind) ?? new Map<MemberId, readonly UsableModel[]>();
    startable.set(kind, ofKind);
    const known = ofKind.get(member);
    if (known !== undefined) return known;
    const found = owned.flatMap((node) => startableModels(kind, node, deps.nowMs)).slice(0, OWN_MODELS_MAX);
    ofKind.set(member, found);
    return found;
  };

  const isWaitedFor = (node: FleetNode): boolean => {
    const { owner } = node.identity;
    for (const kind of deps.kinds()) {
      const heap = kind.byMember.get(owner);
      if (heap === undefined) continue;
      const models = startableModels(kind, node, deps.nowMs);
      if (models.length === 0) continue;
      for (const { alive, value } of heap.entries) {
        if (alive && models.some((model) => couldStart(value, model))) return true;
      }
    }
    return false;
  };

  return {
    ownModels,
    jobsOf(kind) {
      const found: PendingJob[] = [];
      for (const [member, heap] of kind.byMember) {
        const models = ownModels(member, kind);
        if (models.length === 0) continue;
        const small = firstOf([heap], JOBS_MAX, smallerFirst);
        const fit = small.filter((job) => models.some((model) => couldStart(job, model)));
        if (fit.length > 0) found.push(...fit);
        else {
          const other = heap.entries.find(
            ({ alive, value }) => alive && models.some((model) => couldStart(value, model)),
          );
          if (other !== undefined) found.push(other.value);
        }
      }
      return found;
    },
    isKeptFrom(member, node) {
      if (node.identity.owner === member) return false;
      const known = kept.get(node);
      if (known !== undefined) return known;
      const isKept = isWaitedFor(node);
      kept.set(node, isKept);
      return isKept;
    },
  };
}

/** Models of a node that a kind may use and that fit in memory beside what runs; none while no slot is free. */
function startableModels(kind: JobKind, node: FleetNode, nowMs: number): readonly UsableModel[] {
  if (!node.open || !hasFreeSlot(node)) return [];
  const models = kind.modelsFor(node).filter((index) => node.ready[index] === true);
  if (models.length === 0) return [];
  const ahead = createVirtualNode(planOf(node, nowMs));
  return models.filter((index) => evictionsFor(ahead, index) !== null).map((index) => ({ node, index }));
}

function couldStart(job: PendingJob, { node, index }: UsableModel): boolean {
  const { report, budget, identity } = node;
  const most = Math.min(
    leftTokens(budget),
    report.tokensPerDay ?? Infinity,
    report.tokensPerMonth ?? Infinity,
  );
  const contextTokens = report.models[index]?.contextTokens ?? 0;
  return (
    job.holdTokens <= most && job.contextTokens <= contextTokens && !job.excludedNodes.includes(identity.id)
  );
}
