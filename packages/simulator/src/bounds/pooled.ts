/**
 * What no schedule can beat, from one machine that is as fast as all together.
 *
 * Give every node a price per second. A job's size is the least that its work costs on any node that may serve
 * it; then whatever the nodes do, they take off sizes at most the sum of their prices a second. So one machine of
 * that speed, which may interrupt any job at will, has served at least as much at every moment, for any prices at
 * all and any relation of speeds between nodes and jobs. Where that relation is the same for all jobs and prices
 * are speeds, this is the classical pooled server.
 */
export interface PooledJob {
  readonly arrivalS: number;
  /** Priced least work. */
  readonly size: number;
}

interface Waiting {
  readonly job: number;
  left: number;
}

/** What the pooled machine does with its time: `serve` hears every stretch that a job is served for. */
function runPooled(
  jobs: readonly PooledJob[],
  speed: number,
  before: (one: Waiting, other: Waiting) => boolean,
  serve: (job: number, fromS: number, untilS: number, isDone: boolean) => void,
): void {
  /** The next to be served last. */
  const waiting: Waiting[] = [];
  const insert = (entry: Waiting): void => {
    let low = 0;
    let high = waiting.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const other = waiting[middle];
      if (other !== undefined && before(entry, other)) low = middle + 1;
      else high = middle;
    }
    waiting.splice(low, 0, entry);
  };
  let nowS = 0;
  let next = 0;
  while (next < jobs.length || waiting.length > 0) {
    const arrivalS = jobs[next]?.arrivalS ?? Infinity;
    const current = waiting.at(-1);
    if (current === undefined || nowS + current.left / speed > arrivalS) {
      if (current !== undefined && arrivalS > nowS) {
        serve(current.job, nowS, arrivalS, false);
        current.left -= (arrivalS - nowS) * speed;
      }
      nowS = Math.max(nowS, arrivalS);
      insert({ job: next, left: jobs[next]?.size ?? 0 });
      next += 1;
      continue;
    }
    waiting.pop();
    const doneS = nowS + current.left / speed;
    serve(current.job, nowS, doneS, true);
    nowS = doneS;
  }
}

/**
 * Mean time from arrival to end under shortest-remaining-first, seconds: the least that any schedule on the
 * pooled machine reaches (Schrage 1968). `jobs` in order of arrival; 0 for none.
 */
export function srptMeanLatencyS(jobs: readonly PooledJob[], speed: number): number {
  let sumS = 0;
  const shorterFirst = (one: Waiting, other: Waiting): boolean => one.left < other.left;
  runPooled(jobs, speed, shorterFirst, (job, _fromS, untilS, isDone) => {
    if (isDone) sumS += untilS - (jobs[job]?.arrivalS ?? 0);
  });
  return jobs.length === 0 ? 0 : sumS / jobs.length;
}

/**
 * Lower bound of the mean of `weight x (end - arrival)` over all schedules of the pooled machine whose jobs take
 * some time at least, however fast the machine. By the linear program of Goemans over mean busy times: served by
 * weight over size, no weighted sum of the mean moments of service is less; and a job ends after that mean moment
 * by half of the least time it takes. `weights` and `leastS` by the index of `jobs`.
 */
export function weightedMeanLatency(
  jobs: readonly PooledJob[],
  weights: ArrayLike<number>,
  leastS: ArrayLike<number>,
  speed: number,
): number {
  const size = (job: number): number => jobs[job]?.size ?? 0;
  const worth = (job: number): number => (weights[job] ?? 0) / Math.max(size(job), Number.MIN_VALUE);
  /** Integral of the moments of service, weighted by their length. */
  const moments = new Float64Array(jobs.length);
  const endS = new Float64Array(jobs.length);
  const worthierFirst = (one: Waiting, other: Waiting): boolean => worth(one.job) > worth(other.job);
  runPooled(jobs, speed, worthierFirst, (job, fromS, untilS) => {
    moments[job] = (moments[job] ?? 0) + ((fromS + untilS) / 2) * (untilS - fromS);
    endS[job] = untilS;
  });
  let sum = 0;
  for (const [job, { arrivalS }] of jobs.entries()) {
    const serviceS = size(job) / speed;
    const meanMomentS = serviceS > 0 ? (moments[job] ?? 0) / serviceS : (endS[job] ?? 0);
    const afterS = Math.max(serviceS, leastS[job] ?? 0) / 2;
    sum += (weights[job] ?? 0) * (meanMomentS + afterS - arrivalS);
  }
  return jobs.length === 0 ? 0 : sum / jobs.length;
}
