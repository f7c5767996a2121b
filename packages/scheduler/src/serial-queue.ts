/** Runs tasks one after the other, in the order in which they were added. */
export interface SerialQueue {
  /** Settles as the task does. A task that rejects does not stop the ones behind it. */
  run<T>(task: () => Promise<T>): Promise<T>;
}

export function createSerialQueue(): SerialQueue {
  let tail: Promise<unknown> = Promise.resolve();
  return {
    run(task) {
      const result = tail.then(task, task);
      tail = result;
      return result;
    },
  };
}
