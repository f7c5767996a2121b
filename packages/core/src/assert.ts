/** Stops the program on a broken invariant: a bug, never an expected outcome. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`broken invariant: ${message}`);
}

/** Makes the compiler prove that a union was handled in full. */
export function assertNever(value: never): never {
  throw new Error(`broken invariant: unhandled variant ${JSON.stringify(value)}`);
}
