/** Source of time. Every decision that depends on time takes one, so that tests and simulations own it. */
export interface Clock {
  /** Milliseconds since the Unix epoch. */
  now(): number;
}

/** Source of randomness in [0, 1). */
export interface Random {
  next(): number;
}
