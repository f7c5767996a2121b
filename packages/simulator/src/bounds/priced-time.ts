/**
 * What no schedule can beat when machines are crowded, by Lagrange's relaxation of their time.
 *
 * Give every second of a machine a price. A job that runs pays for the time it takes of its machine, besides the
 * seconds that it takes itself. In a batch it takes less of the machine and more of its own: each moment of progress is
 * cheapest at some size of the batch, so a job pays at least
 *
 *     prefillS (w + price) + decodeS min over k of (1 + e (k - 1)) (w + price / k)        at its cheapest place,
 *
 * with `w` what a second of it weighs. All jobs together pay at most for all the time there is. So the sum of what jobs
 * pay at least, less all time at its price, is no more than the sum of what they weigh and take, for any prices; the
 * best prices give the bound. With prices of zero it is each job alone.
 *
 * Time counts until the last arrival. A job that ends later has taken at least from its arrival until then, and pays
 * no more than that.
 */
export interface PricedJob {
  readonly arrivalS: number;
  readonly options: readonly PricedOption[];
}

export interface PricedOption {
  /** Index of the price. */
  readonly node: number;
  readonly prefillS: number;
  readonly decodeS: number;
  /** `e`, from 0 to 1. */
  readonly batchFactor: number;
  readonly slots: number;
  /** Part of the machine's time that counts: below 1 where several models share a batch. */
  readonly counted: number;
}

/** Machines that have one price. */
export interface PricedNode {
  readonly count: number;
  /** Where the search begins; only the relation between nodes matters. */
  readonly startPrice: number;
}

/** Fleets of more kinds of machines keep the relation between prices that the search begins with. */
const SINGLE_PRICES_MAX = 12;
const ROUNDS = 2;

/**
 * Lower bound of the mean of `weight x (end - arrival)`. `jobs` in the order of arrival, each with an option; `weights`
 * by their index.
 */
export function pricedTimeBound(
  jobs: readonly PricedJob[],
  weights: ArrayLike<number>,
  nodes: readonly PricedNode[],
): number {
  const endS = jobs.at(-1)?.arrivalS ?? 0;
  const lastingS = endS - (jobs[0]?.arrivalS ?? 0);
  const boundAt = (prices: readonly number[]): number => {
    let sum = 0;
    for (const [index, job] of jobs.entries()) {
      const weight = weights[index] ?? 0;
      sum += Math.min(
        leastCost(job, weight, prices),
        weight * Math.max(leastAloneS(job), endS - job.arrivalS),
      );
    }
    for (const [node, price] of prices.entries()) sum -= price * (nodes[node]?.count ?? 0) * lastingS;
    return sum / Math.max(1, jobs.length);
  };
  const meanWeight =
    jobs.reduce((sum, _, index) => sum + (weights[index] ?? 0), 0) / Math.max(1, jobs.length);
  const greatest = Math.max(...nodes.map(({ startPrice }) => startPrice));
  const relative = nodes.map(({ startPrice }) => (greatest > 0 ? startPrice / greatest : 1));
  const scaled = (factor: number): number[] => relative.map((price) => price * factor * meanWeight);
  const best = highest((factor) => boundAt(scaled(factor)));
  let prices = scaled(best.at);
  let bound = Math.max(best.value, boundAt(nodes.map(() => 0)));
  if (nodes.length > SINGLE_PRICES_MAX) return bound;
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const [node, price] of prices.entries()) {
      const withPrice = (value: number): number[] => prices.with(node, value);
      const unit = price > 0 ? price : meanWeight;
      const found = highest((factor) => boundAt(withPrice(factor * unit)));
      if (found.value <= bound) continue;
      bound = found.value;
      prices = withPrice(found.at * unit);
    }
  }
  return bound;
}

/** A job's time alone at its best place. */
const leastAloneS = ({ options }: PricedJob): number =>
  options.reduce((least, { prefillS, decodeS }) => Math.min(least, prefillS + decodeS), Infinity);

function leastCost({ options }: PricedJob, weight: number, prices: readonly number[]): number {
  let least = Infinity;
  for (const { node, prefillS, decodeS, batchFactor, slots, counted } of options) {
    const price = (prices[node] ?? 0) * counted;
    const costS = prefillS * (weight + price) + decodeS * cheapestStep(weight, price, batchFactor, slots);
    least = Math.min(least, costS);
  }
  return least;
}

/** Least of `(1 + e (k - 1)) (weight + price / k)` over whole `k` up to the slots: convex in `k`. */
function cheapestStep(weight: number, price: number, batchFactor: number, slots: number): number {
  const cost = (size: number): number => (1 + batchFactor * (size - 1)) * (weight + price / size);
  const even = Math.sqrt((price * (1 - batchFactor)) / Math.max(weight * batchFactor, Number.MIN_VALUE));
  const below = Math.min(slots, Math.max(1, Math.floor(even)));
  return Math.min(cost(below), cost(Math.min(slots, below + 1)));
}

const GOLDEN = (Math.sqrt(5) - 1) / 2;
const STEPS = 22;
const LOG_RANGE = Math.log(1e4);

/** Highest value of a function with one hill, on factors from 1e-4 to 1e4. */
function highest(of: (factor: number) => number): { readonly at: number; readonly value: number } {
  let low = -LOG_RANGE;
  let high = LOG_RANGE;
  let left = high - GOLDEN * (high - low);
  let right = low + GOLDEN * (high - low);
  let leftValue = of(Math.exp(left));
  let rightValue = of(Math.exp(right));
  for (let step = 0; step < STEPS; step += 1) {
    if (leftValue < rightValue) {
      low = left;
      [left, leftValue] = [right, rightValue];
      right = low + GOLDEN * (high - low);
      rightValue = of(Math.exp(right));
    } else {
      high = right;
      [right, rightValue] = [left, leftValue];
      left = high - GOLDEN * (high - low);
      leftValue = of(Math.exp(left));
    }
  }
  return leftValue > rightValue
    ? { at: Math.exp(left), value: leftValue }
    : { at: Math.exp(right), value: rightValue };
}
