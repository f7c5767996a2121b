/** What is written to, as far as batching needs it: `node:stream`'s way to hold writes back. */
export interface Corkable {
  cork(): void;
  uncork(): void;
}

/**
 * Lets what is written within one turn of the event loop leave in one piece: a system call for many frames
 * instead of one each. Nothing waits beyond the turn.
 * @returns what to call before each write
 */
export function createTurnBatch(stream: Corkable): () => void {
  let open = false;
  return () => {
    if (open) return;
    open = true;
    stream.cork();
    setImmediate(() => {
      open = false;
      stream.uncork();
    });
  };
}
