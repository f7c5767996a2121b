/**
 * A co-op in seconds instead of days: jobs arrive, nodes serve them, come and go. The world is the truth; the policy
 * decides. Deterministic: the same jobs, fleet, policy and seed give the same run to the last bit.
 *
 * W1. Events at one moment are taken in a fixed order: machines, nodes that come or go, beats, arrivals.
 * W2. The policy hears what production's dispatcher would: reports when memory or heat changed and every 10 s, phases
 *     as they change, progress every 2 s, a tick a second while jobs wait.
 * W3. What the policy may not do (P1 of its port) ends the run with an error.
 */
import { assert, createCalendar, referenceSeconds } from "@coop/core";
import type { DispatchEvent, JobId, NodeId } from "@coop/core";
import { createAgenda } from "./agenda.ts";
import { createFairnessWatch } from "./fairness-watch.ts";
import type { SimFleet } from "./fleet.ts";
import { createLiveView } from "./fleet-view.ts";
import type { SimJob } from "./job.ts";
import type { SimAttempt } from "./machine.ts";
import type { Policy, PolicyMaker, Start } from "./policy.ts";
import { createStream } from "./random-stream.ts";
import { createJobRecords } from "./records.ts";
import type { WorldRun } from "./run.ts";
import { beginAt, createStation, hasTurned, joinedEvent, reportOf, settleAt } from "./station.ts";
import type { Station } from "./station.ts";

/** The first moment of a simulation: midnight of a Monday, UTC, so that budgets begin with their day. */
export const WORLD_START_MS = Date.UTC(2026, 2, 2);

export interface WorldOptions {
  readonly fleet: SimFleet;
  /** In the order of arrival. */
  readonly jobs: readonly SimJob[];
  readonly policy: PolicyMaker;
  readonly seed: number;
  /** Ends the run early, seconds of the simulation; null: when all jobs have ended, or none can any more. */
  readonly untilS: number | null;
}

const BEAT_S = 1;
const PROGRESS_BEATS = 2;
const REPORT_BEATS = 10;
/** A fleet that has run nothing for a while is looked at less often; whole reports apart, so that none is missed. */
const SLOW_BEATS = 60;
/** With nothing running and none arriving, the run ends after this long; longer where a budget may come anew. */
const PATIENCE_S = 600;
const BUDGET_PATIENCE_S = 2 * 86_400;
/** Parts of the time of arrivals that a node's use is recorded by. */
const BUCKETS = 96;

/** @throws a broken invariant when the policy breaks a rule of its port. */
export function runWorld({ fleet, jobs, policy: maker, seed, untilS }: WorldOptions): WorldRun {
  const calendar = createCalendar("UTC");
  const records = createJobRecords(jobs, fleet);
  const fairness = createFairnessWatch();
  const indexOf = new Map<JobId, number>(jobs.map(({ spec, index }) => [spec.id, index]));
  const bucketS = Math.max(1, (jobs.at(-1)?.arrivalS ?? 0) / BUCKETS);
  const agenda = createAgenda(fleet.nodes.length);
  const isWaiting = new Uint8Array(jobs.length);
  const comings = comingsOf(fleet);
  const hearsAll = maker.hears === "all";
  const hasBudgets = fleet.nodes.some((node) => node.tokensPerDay !== null || node.tokensPerMonth !== null);
  const beatStep = hearsAll ? 1 : REPORT_BEATS;

  let nowS = 0;
  let arrived = 0;
  let came = 0;
  let beat = 0;
  let waiting = 0;
  let running = 0;
  let lastActiveS = 0;
  let lostAttempts = 0;
  let cachedTokens = 0;
  /** Attempts that ended while the policy was being asked. */
  let ended: { readonly station: Station; readonly attempt: SimAttempt }[] = [];

  const nowMs = (): number => WORLD_START_MS + nowS * 1000;
  const stationAt = (index: number): Station => {
    const station = stations[index];
    assert(station !== undefined, `node ${index} is in the fleet`);
    return station;
  };
  const live = createLiveView(fleet, {
    nowMs,
    budgetOf: (node) => stationAt(node).account.budget(nowMs()),
    isLoaded: (node, model) => stationAt(node).machine.isLoaded(model),
  });
  const stations: readonly Station[] = fleet.nodes.map((node, index) => {
    const state = live.nodes[index];
    assert(state !== undefined, `${node.name} is in the view`);
    return createStation(node, state, calendar, bucketS);
  });
  const stationOf = new Map<NodeId, Station>(stations.map((station) => [station.node.id, station]));
  const policy: Policy = maker.create({ fleet: live.view, random: createStream(seed, "policy") });

  const tell = (event: DispatchEvent): void => {
    for (const start of policy.step(event)) begin(start);
  };

  /** Brings a machine to this moment; what ended with it is settled next. */
  const touch = (station: Station): void => {
    for (const attempt of station.machine.advance(nowS)) ended.push({ station, attempt });
  };

  const begin = ({ job: id, node, model }: Start): void => {
    const index = indexOf.get(id);
    const job = index === undefined ? undefined : jobs[index];
    assert(job !== undefined && isWaiting[job.index] === 1, `${id} waits when it starts`);
    const station = stationOf.get(node);
    assert(station !== undefined, `${node} is in the fleet`);
    touch(station);
    const attempt = beginAt(station, job, model, nowMs());
    stopWaiting(job);
    running += 1;
    count(station, attempt, "begun");
    records.startS[job.index] = nowS;
    records.node[job.index] = station.node.index;
    records.model[job.index] = attempt.model;
    station.record.began(nowS);
    agenda.set(station.node.index, station.machine.nextChangeS());
    if (hearsAll) tellPhase(attempt);
  };

  const tellPhase = (attempt: SimAttempt): void => {
    const phase = attempt.phase === "memory" || attempt.phase === "ended" ? "loading" : attempt.phase;
    tell({ kind: "attempt-progress", job: attempt.job.spec.id, phase, outputTokens: 0 });
  };

  const startWaiting = (job: SimJob): void => {
    isWaiting[job.index] = 1;
    waiting += 1;
    fairness.waits(job.spec.member, classOf(job), nowS);
    tell({ kind: "job-pending", spec: job.spec, excludedNodes: [], notBeforeMs: 0 });
  };
  const stopWaiting = (job: SimJob): void => {
    isWaiting[job.index] = 0;
    waiting -= 1;
    fairness.waitsNoMore(job.spec.member, classOf(job));
  };

  /** Service for the fair order; what owners have on their own nodes is theirs. */
  const count = (station: Station, { job, model }: SimAttempt, what: "begun" | "served" | "lost"): void => {
    const { member, weight } = job.spec;
    const capacity = station.node.models[model]?.capacity;
    if (station.node.owner === member || capacity === undefined) return;
    const weightedS = referenceSeconds(capacity, job.promptTokens, job.outputTokens) / weight;
    if (what === "begun") fairness.begun(member, weightedS);
    else fairness.ended(member, weightedS, what === "served", nowS);
  };

  const finish = (station: Station, attempt: SimAttempt): void => {
    const { job } = attempt;
    const { promptTokens, outputTokens } = job;
    const model = station.node.models[attempt.model];
    assert(model !== undefined, `${station.node.name} has a model ${attempt.model}`);
    settleAt(station, attempt, promptTokens + outputTokens, nowMs());
    running -= 1;
    cachedTokens += attempt.cachedTokens;
    records.firstTokenS[job.index] = attempt.firstTokenS;
    records.endS[job.index] = nowS;
    station.record.used(promptTokens + outputTokens, nowS);
    if (station.live.running === 0) station.record.idle(nowS);
    count(station, attempt, "served");
    if (job.isCancelled === true) {
      tell({ kind: "job-gone", job: job.spec.id });
      return;
    }
    station.reports.learn(attempt);
    live.outputs.learn(job.spec, model.name, outputTokens);
    tell({ kind: "attempt-ended", job: job.spec.id, usage: { promptTokens, outputTokens } });
  };

  const finishEnded = (): void => {
    while (ended.length > 0) {
      const batch = ended;
      ended = [];
      for (const { station, attempt } of batch) finish(station, attempt);
    }
  };

  const changeMachine = (station: Station): void => {
    const before = hearsAll ? station.machine.running.map(({ phase }) => phase) : [];
    const attempts = station.machine.running;
    touch(station);
    agenda.set(station.node.index, station.machine.nextChangeS());
    for (const [place, phase] of before.entries()) {
      const attempt = attempts[place];
      if (attempt !== undefined && attempt.phase !== phase && attempt.phase !== "ended") tellPhase(attempt);
    }
    if (hearsAll && hasTurned(station)) tell(reportOf(station, nowMs()));
  };

  const comeOrGo = ({ station: index, joins }: Coming): void => {
    const station = stationAt(index);
    touch(station);
    finishEnded();
    station.live.present = joins;
    if (joins) {
      station.record.joined(nowS);
      tell(joinedEvent(station, nowMs()));
      return;
    }
    const lost = station.machine.crash();
    agenda.set(index, station.machine.nextChangeS());
    station.record.left(nowS);
    tell({ kind: "node-left", node: station.node.id });
    for (const attempt of lost) {
      settleAt(station, attempt, attempt.job.promptTokens, nowMs());
      running -= 1;
      lostAttempts += 1;
      count(station, attempt, "lost");
      tell({ kind: "attempt-ended", job: attempt.job.spec.id, usage: null });
    }
    for (const { job } of lost) startWaiting(job);
  };

  const tellProgress = (): void => {
    for (const { machine } of stations) {
      if (machine.running.length === 0) continue;
      const station = stationAt(machine.node.index);
      touch(station);
      for (const attempt of machine.running) {
        if (attempt.phase !== "decode") continue;
        const outputTokens = machine.tokensOf(attempt);
        tell({ kind: "attempt-progress", job: attempt.job.spec.id, phase: "decode", outputTokens });
      }
    }
  };

  const report = (): void => {
    for (const station of stations) {
      if (!station.live.present || !(station.hasNews || hasTurned(station))) continue;
      const event = reportOf(station, nowMs());
      if (hearsAll) tell(event);
    }
  };

  const wish = (): void => {
    for (const { kind, node, model: name } of policy.wishes?.() ?? []) {
      const station = stationOf.get(node);
      const model = station?.node.models.find((known) => known.name === name);
      if (station === undefined || model === undefined || !station.live.present) continue;
      touch(station);
      if (kind === "warm") station.machine.warm(model.index);
      else station.machine.unload(model.index);
      agenda.set(station.node.index, station.machine.nextChangeS());
    }
  };

  const doBeat = (): void => {
    if (beat % REPORT_BEATS === 0) report();
    if (!hearsAll) return;
    if (beat % PROGRESS_BEATS === 0) {
      tellProgress();
      finishEnded();
      if (waiting > 0) wish();
    }
    if (waiting > 0) tell({ kind: "tick" });
  };

  /** The next beat on which something may have changed. */
  const nextBeatS = (): number => (running > 0 || waiting > 0 ? beat * BEAT_S : Infinity);

  const isOver = (): boolean => {
    if (untilS !== null && nowS >= untilS) return true;
    if (running > 0 || arrived < jobs.length) return false;
    if (waiting === 0) return true;
    if (came < comings.length) return false;
    return nowS - lastActiveS > (hasBudgets ? BUDGET_PATIENCE_S : PATIENCE_S);
  };

  const takeNext = (): void => {
    const arrivalS = jobs[arrived]?.arrivalS ?? Infinity;
    const comingS = comings[came]?.atS ?? Infinity;
    if (nextBeatS() < nowS) beat = Math.ceil(nowS / BEAT_S / beatStep) * beatStep;
    const untilNextS = Math.min(agenda.nextS(), comingS, nextBeatS(), arrivalS);
    nowS = Math.max(nowS, Math.min(untilNextS, untilS ?? Infinity));
    if (untilS !== null && nowS >= untilS) return;
    if (agenda.nextS() <= untilNextS) changeMachine(stationAt(agenda.next()));
    else if (comingS <= untilNextS) {
      const coming = comings[came];
      came += 1;
      if (coming !== undefined) comeOrGo(coming);
    } else if (nextBeatS() <= untilNextS) {
      doBeat();
      const isSlow = nowS - lastActiveS > SLOW_BEATS * BEAT_S;
      beat = isSlow ? (Math.floor(beat / SLOW_BEATS) + 1) * SLOW_BEATS : beat + beatStep;
    } else {
      const job = jobs[arrived];
      arrived += 1;
      if (job !== undefined) startWaiting(job);
    }
    finishEnded();
    if (running > 0) lastActiveS = nowS;
  };

  while (!isOver()) takeNext();

  return {
    fleet,
    jobs,
    endedAtS: nowS,
    ...records,
    nodes: stations.map(({ record }) => record.result(nowS)),
    fairness: fairness.result(),
    lostAttempts,
    loads: stations.reduce((sum, { machine }) => sum + machine.loads(), 0),
    cachedTokens,
  };
}

/** Jobs that have a claim on the same models. */
const classOf = ({ spec: { target } }: SimJob): string =>
  target.kind === "tier" ? target.tier : `=${target.model}`;

interface Coming {
  readonly station: number;
  readonly joins: boolean;
  readonly atS: number;
}

/** Nodes that come and go, in order; all that are not away join at the beginning. */
function comingsOf({ nodes }: SimFleet): readonly Coming[] {
  const comings: Coming[] = [];
  for (const { index, absences } of nodes) {
    const first = absences[0];
    if (first === undefined || first.fromS > 0) comings.push({ station: index, joins: true, atS: 0 });
    for (const { fromS, untilS } of absences) {
      if (fromS > 0) comings.push({ station: index, joins: false, atS: fromS });
      comings.push({ station: index, joins: true, atS: untilS });
    }
  }
  return comings.sort((one, other) => one.atS - other.atS || one.station - other.station);
}
