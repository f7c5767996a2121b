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

/** A position in a heap; its children come after it. */
interface Place<T> {
  readonly entries: readonly HeapEntry<T>[];
  readonly position: number;
  readonly entry: HeapEntry<T>;
}

/** The first `limit` living values over several heaps that share the order `before`, in that order. */
export function firstOf<T>(
  heaps: Iterable<Heap<T>>,
  limit: number,
  before: (one: T, other: T) => boolean,
): T[] {
  /** Where the next value may be, itself in the order of a heap. */
  const frontier: Place<T>[] = [];
  for (const { first, entries } of heaps) {
    if (first() === undefined) continue;
    const root = placeAt(entries, 0);
    if (root !== undefined) addPlace(frontier, root, before);
  }
  const found: T[] = [];
  for (let place = frontier[0]; place !== undefined && found.length < limit; place = frontier[0]) {
    const { entries, position, entry } = place;
    if (entry.alive) found.push(entry.value);
    const left = placeAt(entries, 2 * position + 1);
    const last = left ?? frontier.pop();
    if (last !== undefined && last !== place) replaceFirst(frontier, last, before);
    const right = placeAt(entries, 2 * position + 2);
    if (right !== undefined) addPlace(frontier, right, before);
  }
  return found;
}

function placeAt<T>(entries: readonly HeapEntry<T>[], position: number): Place<T> | undefined {
  const entry = entries[position];
  return entry === undefined ? undefined : { entries, position, entry };
}

function addPlace<T>(frontier: Place<T>[], place: Place<T>, before: (one: T, other: T) => boolean): void {
  let at = frontier.length;
  while (at > 0) {
    const parent = (at - 1) >> 1;
    const above = frontier[parent];
    if (above === undefined || !before(place.entry.value, above.entry.value)) break;
    frontier[at] = above;
    at = parent;
  }
  frontier[at] = place;
}

function replaceFirst<T>(frontier: Place<T>[], place: Place<T>, before: (one: T, other: T) => boolean): void {
  let at = 0;
  for (;;) {
    let child = 2 * at + 1;
    let below = frontier[child];
    if (below === undefined) break;
    const right = frontier[child + 1];
    if (right !== undefined && before(right.entry.value, below.entry.value)) {
      child += 1;
      below = right;
    }
    if (!before(below.entry.value, place.entry.value)) break;
    frontier[at] = below;
    at = child;
  }
  frontier[at] = place;
}
