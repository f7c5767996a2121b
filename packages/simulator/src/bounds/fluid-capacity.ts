/**
 * The most that a fleet could serve if work were a fluid: divisible at will, always in full batches, every
 * model in memory wherever it is wanted. No schedule can do more, so load is stated as a share of it.
 *
 * With `y[c,o]` the jobs of class `c` a second that option `o` serves,
 *
 *     maximise   r
 *     subject to sum over o of y[c,o]                   >= r * share[c]        for every class
 *                sum of workS[c,o] * y[c,o] on a node   <= its count           machine seconds a second
 *                sum of tokens[c] * y[c,o] on a node    <= its token budget    tokens a second
 *
 * and its dual, solved on its own, gives what one more second or one more token a second of each node is worth.
 */
import { OperationalError } from "@coop/core";
import { solve } from "yalps";
import type { Constraint } from "yalps";

/** Machines that are alike in all that the bound looks at. */
export interface FluidNode {
  readonly name: string;
  readonly count: number;
  /** What the token budgets of all `count` machines come to, tokens a second; null for no budget. */
  readonly tokensPerSecond: number | null;
}

/** One way to serve a class. */
export interface FluidOption {
  /** Index of the node. */
  readonly node: number;
  readonly model: string;
  /** Least time of the machine that a mean job takes there, seconds. */
  readonly workS: number;
}

/** Jobs that are alike in what may serve them and in what they take. */
export interface FluidClass {
  readonly name: string;
  /** Part of all jobs. */
  readonly share: number;
  /** Prompt and output tokens of a mean job. */
  readonly tokens: number;
  /** Empty when nothing can serve the class: then its jobs are left out. */
  readonly options: readonly FluidOption[];
}

export interface FluidNodeUse {
  readonly name: string;
  /** Machine seconds used a second, as a share of what there is. */
  readonly busyShare: number;
  /** Tokens used a second. */
  readonly tokensPerSecond: number;
  /** Shadow price of time: jobs a second that one more machine of this kind would add, at the margin. */
  readonly jobsPerMachineSecond: number;
  /** Shadow price of the budget: jobs that one more token would add, at the margin. */
  readonly jobsPerToken: number;
}

export interface FluidCapacity {
  /** Jobs of the whole mix a second, those that nothing can serve included. */
  readonly jobsPerSecond: number;
  /** Part of the jobs that no node can serve. */
  readonly unservableShare: number;
  readonly nodes: readonly FluidNodeUse[];
  /** Where each class is served, jobs a second; what is 0 is left out. */
  readonly flows: readonly {
    readonly jobClass: string;
    readonly node: string;
    readonly model: string;
    readonly jobsPerSecond: number;
  }[];
}

/** How far primal and dual optimum may lie apart, as a share, before the solution is not believed. */
const DUALITY_TOLERANCE = 1e-6;

/** Below this the solver takes a number for zero; units are chosen so that all that counts is near 1. */
const PRECISION = 1e-11;

const RATE = "rate";
const classRow = (index: number): string => `class ${index}`;
const timeRow = (node: number): string => `time ${node}`;
const tokenRow = (node: number): string => `tokens ${node}`;
const flowColumn = (index: number, option: number): string => `flow ${index} ${option}`;

/**
 * @throws OperationalError `nothing-servable` when no class has an option, `no-capacity-bound` when the linear
 * program has no finite optimum (work of zero seconds) or its primal and dual disagree.
 */
export function fluidCapacity(nodes: readonly FluidNode[], classes: readonly FluidClass[]): FluidCapacity {
  const servable = classes.filter(({ options, share }) => options.length > 0 && share > 0);
  if (servable.length === 0) {
    throw new OperationalError(
      "nothing-servable",
      "No node of this fleet can serve any job of this workload: its capacity is not defined.",
    );
  }
  const unit = unitOf(servable);
  const unitNodes = nodes.map((node) => ({ ...node, tokensPerSecond: inUnits(node.tokensPerSecond, unit) }));
  const unitClasses = servable.map((jobClass) => ({
    ...jobClass,
    tokens: jobClass.tokens / unit.tokens,
    options: jobClass.options.map((option) => ({ ...option, workS: option.workS / unit.seconds })),
  }));
  const primal = solvePrimal(unitNodes, unitClasses);
  const dual = solveDual(unitNodes, unitClasses);
  const rate = (primal.get(RATE) ?? 0) / unit.seconds;
  const priced = dual.objective / unit.seconds;
  if (!(Math.abs(rate - priced) <= DUALITY_TOLERANCE * Math.max(rate, priced))) {
    throw new OperationalError(
      "no-capacity-bound",
      `The capacity of this fleet cannot be computed: the linear program says ${rate} jobs/s, its dual ${priced}.`,
    );
  }
  const usedS = nodes.map(() => 0);
  const usedTokens = nodes.map(() => 0);
  const flows: FluidCapacity["flows"][number][] = [];
  for (const [index, { name, tokens, options }] of servable.entries()) {
    for (const [place, { node, model, workS }] of options.entries()) {
      const jobsPerSecond = (primal.get(flowColumn(index, place)) ?? 0) / unit.seconds;
      if (jobsPerSecond <= 0) continue;
      usedS[node] = (usedS[node] ?? 0) + jobsPerSecond * workS;
      usedTokens[node] = (usedTokens[node] ?? 0) + jobsPerSecond * tokens;
      flows.push({ jobClass: name, node: nodes[node]?.name ?? "", model, jobsPerSecond });
    }
  }
  return {
    jobsPerSecond: rate,
    unservableShare: classes.reduce((sum, { options, share }) => sum + (options.length > 0 ? 0 : share), 0),
    nodes: nodes.map(({ name, count }, node) => ({
      name,
      busyShare: count > 0 ? (usedS[node] ?? 0) / count : 0,
      tokensPerSecond: usedTokens[node] ?? 0,
      jobsPerMachineSecond: (dual.prices.get(timeRow(node)) ?? 0) / unit.seconds,
      jobsPerToken: (dual.prices.get(tokenRow(node)) ?? 0) / unit.tokens,
    })),
    flows,
  };
}

interface Unit {
  readonly seconds: number;
  readonly tokens: number;
}

/** A mean job's least work and its tokens. */
function unitOf(classes: readonly FluidClass[]): Unit {
  let share = 0;
  let seconds = 0;
  let tokens = 0;
  for (const jobClass of classes) {
    share += jobClass.share;
    seconds += jobClass.share * Math.min(...jobClass.options.map(({ workS }) => workS));
    tokens += jobClass.share * jobClass.tokens;
  }
  return { seconds: seconds / share, tokens: Math.max(1, tokens / share) };
}

const inUnits = (tokensPerSecond: number | null, unit: Unit): number | null =>
  tokensPerSecond === null ? null : (tokensPerSecond * unit.seconds) / unit.tokens;

type Row = [string, number];

function solvePrimal(
  nodes: readonly FluidNode[],
  classes: readonly FluidClass[],
): ReadonlyMap<string, number> {
  const constraints: [string, Constraint][] = classes.map((_, index) => [classRow(index), { min: 0 }]);
  for (const [index, { count, tokensPerSecond }] of nodes.entries()) {
    constraints.push([timeRow(index), { max: count }]);
    if (tokensPerSecond !== null) constraints.push([tokenRow(index), { max: tokensPerSecond }]);
  }
  const rate: Row[] = [[RATE, 1], ...classes.map(({ share }, index): Row => [classRow(index), -share])];
  const variables: [string, Row[]][] = [[RATE, rate]];
  for (const [index, { tokens, options }] of classes.entries()) {
    for (const [place, { node, workS }] of options.entries()) {
      const rows: Row[] = [
        [classRow(index), 1],
        [timeRow(node), workS],
      ];
      if (hasBudget(nodes, node)) rows.push([tokenRow(node), tokens]);
      variables.push([flowColumn(index, place), rows]);
    }
  }
  const solution = solve(
    { direction: "maximize", objective: RATE, constraints, variables },
    { precision: PRECISION },
  );
  refuseUnlessOptimal(solution.status);
  return new Map(solution.variables);
}

const COST = "cost";

/** Least cost of the nodes' time and tokens at which no class can be served for less than it is worth. */
function solveDual(
  nodes: readonly FluidNode[],
  classes: readonly FluidClass[],
): { readonly objective: number; readonly prices: ReadonlyMap<string, number> } {
  const constraints: [string, Constraint][] = [["worth of all classes", { min: 1 }]];
  const timeRows: Row[][] = nodes.map(({ count }) => [[COST, count]]);
  const tokenRows: Row[][] = nodes.map(({ tokensPerSecond }) => [[COST, tokensPerSecond ?? 0]]);
  const worthRows: Row[][] = classes.map(({ share }) => [["worth of all classes", share]]);
  for (const [index, { tokens, options }] of classes.entries()) {
    for (const [place, { node, workS }] of options.entries()) {
      const row = flowColumn(index, place);
      constraints.push([row, { min: 0 }]);
      worthRows[index]?.push([row, -1]);
      timeRows[node]?.push([row, workS]);
      tokenRows[node]?.push([row, tokens]);
    }
  }
  const variables: [string, Row[]][] = worthRows.map((rows, index) => [classRow(index), rows]);
  for (const [index, rows] of timeRows.entries()) variables.push([timeRow(index), rows]);
  for (const [index, rows] of tokenRows.entries()) {
    if (hasBudget(nodes, index)) variables.push([tokenRow(index), rows]);
  }
  const solution = solve(
    { direction: "minimize", objective: COST, constraints, variables },
    { precision: PRECISION },
  );
  refuseUnlessOptimal(solution.status);
  return { objective: solution.result, prices: new Map(solution.variables) };
}

const hasBudget = (nodes: readonly FluidNode[], index: number): boolean =>
  (nodes[index]?.tokensPerSecond ?? null) !== null;

function refuseUnlessOptimal(status: string): void {
  if (status === "optimal") return;
  throw new OperationalError(
    "no-capacity-bound",
    `The capacity of this fleet cannot be computed: the linear program is ${status}.`,
  );
}
