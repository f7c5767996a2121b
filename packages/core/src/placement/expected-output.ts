/** How long outputs are: lognormal around a mean, cut off at what the job may produce. */

/** Mean output of a job that nothing is known of, tokens (a public trace of conversations has about this). */
export const DEFAULT_MEAN_OUTPUT_TOKENS = 210;

/** Spread of the logarithm of output lengths within one kind of job. */
const SIGMA = 0.7;
/** Beyond this quantile the tail is too thin to compute with. */
const TAIL_Z = 3.5;

/**
 * Output tokens still to come from a generation that has produced `producedTokens`, when outputs of its kind
 * have the mean `meanTokens` and it may produce `maxTokens` in all.
 */
export function expectedMoreTokens(meanTokens: number, producedTokens: number, maxTokens: number): number {
  const leftTokens = maxTokens - producedTokens;
  if (leftTokens <= 0 || meanTokens <= 0) return 0;
  const mu = Math.log(meanTokens) - (SIGMA * SIGMA) / 2;
  if (producedTokens === 0) return Math.min(leftTokens, Math.max(0, limitedMean(mu, meanTokens, leftTokens)));
  const produced = Math.min(producedTokens, Math.exp(mu + SIGMA * TAIL_Z));
  const limit = produced + leftTokens;
  const survival = 1 - lengthCdf(mu, produced);
  const more = (limitedMean(mu, meanTokens, limit) - limitedMean(mu, meanTokens, produced)) / survival;
  return Math.min(leftTokens, Math.max(0, more));
}

const lengthCdf = (mu: number, tokens: number): number =>
  tokens <= 0 ? 0 : normalCdf((Math.log(tokens) - mu) / SIGMA);

/** Mean of the smaller of an output's length and `limit`. */
function limitedMean(mu: number, meanTokens: number, limit: number): number {
  if (limit <= 0) return 0;
  const z = (Math.log(limit) - mu) / SIGMA;
  return meanTokens * normalCdf(z - SIGMA) + limit * (1 - normalCdf(z));
}

/** Standard normal distribution function; absolute error below 1e-7 (Abramowitz and Stegun 26.2.17). */
function normalCdf(z: number): number {
  const t = 1 / (1 + 0.2316419 * Math.abs(z));
  const series =
    t * (0.31938153 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))));
  const tail = Math.exp((-z * z) / 2) * 0.3989422804014327 * series;
  return z > 0 ? 1 - tail : tail;
}
