/** A binary heap whose entries can die in place; the dead are skipped, and swept when they outnumber the living. */
export interface Heap<T> {
  readonly push: (value: T) => HeapEntry<T>;
  /** The first living value; undefined when there is none. */
  readonly first: () => T | undefined;
  readonly remove: (entry: HeapEntry<T>) => void;
  /** Living values. */
  readonly size: () => number;
  /** By position, dead ones among them: position p comes before 2p + 1 and 2p + 2. */
  readonly entries: readonly HeapEntry<T>[];
}

export interface HeapEntry<T> {
  readonly value: T;
  alive: boolean;
}

const SWEEP_MIN = 32;

/** `before` answers whether one value comes before another. */
export function createHeap<T>(before: (one: T, other: T) => boolean): Heap<T> {
  const entries: HeapEntry<T>[] = [];
  let alive = 0;

  const comesBefore = (one: number, other: number): boolean => {
    const [a, b] = [entries[one], entries[other]];
    return a !== undefined && (b === undefined || before(a.value, b.value));
  };
  const swap = (one: number, other: number): void => {
    const [a, b] = [entries[one], entries[other]];
    if (a === undefined || b === undefined) return;
    entries[one] = b;
    entries[other] = a;
  };
  const rise = (from: number): void => {
    let at = from;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!comesBefore(at, parent)) return;
      swap(at, parent);
      at = parent;
    }
  };
  const sink = (from: number): void => {
    let at = from;
    for (;;) {
      const left = 2 * at + 1;
      const right = left + 1;
      const child = right < entries.length && comesBefore(right, left) ? right : left;
      if (child >= entries.length || !comesBefore(child, at)) return;
      swap(at, child);
      at = child;
    }
  };
  const dropFirst = (): void => {
    const last = entries.pop();
    if (last === undefined || entries.length === 0) return;
    entries[0] = last;
    sink(0);
  };
  const sweep = (): void => {
    const living = entries.filter((entry) => entry.alive);
    entries.length = 0;
    entries.push(...living);
    for (let at = (entries.length >> 1) - 1; at >= 0; at -= 1) sink(at);
  };

  return {
    push(value) {
      const entry = { value, alive: true };
      entries.push(entry);
      alive += 1;
      rise(entries.length - 1);
      return entry;
    },
    first() {
      for (;;) {
        const entry = entries[0];
        if (entry === undefined || entry.alive) return entry?.value;
        dropFirst();
      }
    },
    remove(entry) {
      if (!entry.alive) return;
      entry.alive = false;
      alive -= 1;
      if (entries.length > SWEEP_MIN && alive * 2 < entries.length) sweep();
    },
    size: () => alive,
    entries,
  };
}

/** The first `limit` living values over several heaps that share the order `before`, in that order. */
export function firstOf<T>(
  heaps: Iterable<Heap<T>>,
  limit: number,
  before: (one: T, other: T) => boolean,
): T[] {
  interface Place {
    readonly heap: Heap<T>;
    readonly position: number;
    readonly value: T;
  }
  const frontier = createHeap<Place>((one, other) => before(one.value, other.value));
  const visit = (heap: Heap<T>, position: number): void => {
    const entry = heap.entries[position];
    if (entry !== undefined) frontier.push({ heap, position, value: entry.value });
  };
  for (const heap of heaps) if (heap.first() !== undefined) visit(heap, 0);
  const found: T[] = [];
  for (
    let place = takeFirst(frontier);
    place !== undefined && found.length < limit;
    place = takeFirst(frontier)
  ) {
    const { heap, position, value } = place;
    if (heap.entries[position]?.alive === true) found.push(value);
    visit(heap, 2 * position + 1);
    visit(heap, 2 * position + 2);
  }
  return found;
}

function takeFirst<T>(heap: Heap<T>): T | undefined {
  const value = heap.first();
  const entry = heap.entries[0];
  if (entry !== undefined) heap.remove(entry);
  return value;
}
