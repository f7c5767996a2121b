import { explainPlacement } from "@coop/core";
import type { Clock, FleetBoard, JobDesk, JobId, NodeId, Placement } from "@coop/core";
import { unplaced } from "./job-end.ts";
import { ProblemError } from "./problem.ts";

/** What keeps one node from a job at the moment, in words. */
export interface NodeReasons {
  readonly node: string;
  readonly reasons: readonly string[];
}

export interface WhatKeepsDeps {
  readonly clock: Clock;
  readonly desk: JobDesk;
  readonly board: FleetBoard;
}

/**
 * What keeps the nodes that could serve a job from serving it now: a model that its engine fails, memory, heat, a
 * budget. Empty where they are busy only.
 */
export async function whatKeeps(deps: WhatKeepsDeps, job: JobId): Promise<readonly NodeReasons[]> {
  const [record, snapshot] = await Promise.all([deps.desk.read(job), deps.board.read()]);
  if (record === null || snapshot === null) return [];
  const excluded: readonly NodeId[] = record.excludedNodes;
  return passingReasons(explainPlacement(record.spec, snapshot, deps.clock.now(), excluded));
}

function passingReasons({ nodes }: Placement): readonly NodeReasons[] {
  return nodes.flatMap(({ nodeName, options }) => {
    const reasons = options.flatMap((option) => {
      const refusals = option.kind === "refused" ? option.refusals : [];
      return refusals.every(({ passing }) => passing) ? refusals.map(({ detail }) => detail) : [];
    });
    return reasons.length === 0 ? [] : [{ node: nodeName, reasons: [...new Set(reasons)] }];
  });
}

/** What a member hears who waited in vain, with what kept the nodes. */
export function unplacedFor(keeping: readonly NodeReasons[]): ProblemError {
  const { status, details } = unplaced();
  if (keeping.length === 0) return new ProblemError(status, details);
  const why = keeping.map(({ node, reasons }) => `${node}: ${reasons.join("; ")}`).join(". ");
  return new ProblemError(status, { ...details, message: `${details.message} ${why}.`, nodes: keeping });
}
