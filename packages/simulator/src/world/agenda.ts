/** When each of a fixed number of things happens next: a binary heap of their numbers, with times that may move. */
export interface Agenda {
  readonly set: (item: number, atS: number) => void;
  /** The earliest time; Infinity when nothing will happen. */
  readonly nextS: () => number;
  /** What happens then; the lower number among equals. */
  readonly next: () => number;
}

export function createAgenda(size: number): Agenda {
  const atS = new Float64Array(size).fill(Infinity);
  const heap = Int32Array.from({ length: size }, (_, item) => item);
  const placeOf = Int32Array.from(heap);

  const at = (place: number): number => heap[place] ?? -1;
  const isBefore = (one: number, other: number): boolean => {
    const [a, b] = [atS[one] ?? Infinity, atS[other] ?? Infinity];
    return a < b || (a === b && one < other);
  };
  const put = (item: number, place: number): void => {
    heap[place] = item;
    placeOf[item] = place;
  };
  const rise = (item: number, from: number): number => {
    let place = from;
    while (place > 0) {
      const parent = (place - 1) >> 1;
      if (!isBefore(item, at(parent))) break;
      put(at(parent), place);
      place = parent;
    }
    return place;
  };
  const sink = (item: number, from: number): number => {
    let place = from;
    for (;;) {
      const left = 2 * place + 1;
      if (left >= size) return place;
      const child = left + 1 < size && isBefore(at(left + 1), at(left)) ? left + 1 : left;
      if (!isBefore(at(child), item)) return place;
      put(at(child), place);
      place = child;
    }
  };

  return {
    set(item, time) {
      if (atS[item] === time) return;
      atS[item] = time;
      put(item, sink(item, rise(item, placeOf[item] ?? 0)));
    },
    nextS: () => (size === 0 ? Infinity : (atS[at(0)] ?? Infinity)),
    next: () => at(0),
  };
}
