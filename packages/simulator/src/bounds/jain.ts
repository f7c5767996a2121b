/**
 * Jain's index of how evenly something is shared: 1 when all have the same, 1/n when one has it all; 1 for
 * nothing at all. (Jain, Chiu and Hawe, 1984.)
 */
export function jainIndex(shares: readonly number[]): number {
  let sum = 0;
  let squares = 0;
  for (const share of shares) {
    sum += share;
    squares += share * share;
  }
  return squares === 0 ? 1 : (sum * sum) / (shares.length * squares);
}
