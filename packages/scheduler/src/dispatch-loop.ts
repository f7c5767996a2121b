import type { Dispatcher, DispatchEffect, DispatchEvent, FleetSnapshot, MemoryWish } from "@coop/core";
import type { Metrics } from "@coop/metrics";

/** Effects under way at once; the others wait their turn. */
const MOST_EFFECTS_AT_ONCE = 64;

/** Tells the dispatcher what happened and has its effects performed, a bounded number at a time. */
export interface DispatchLoop {
  tell(event: DispatchEvent): void;
  snapshot(): FleetSnapshot;
  wishes(): readonly MemoryWish[];
  pendingCount(): number;
  /** Whether anything was told since this was last asked. */
  takeChanged(): boolean;
}

export interface DispatchLoopDeps {
  readonly dispatcher: Dispatcher;
  readonly metrics: Metrics;
  readonly perform: (effect: DispatchEffect) => Promise<void>;
  /** Takes charge of a task: its failure is not lost. */
  readonly own: (task: Promise<void>) => void;
}

export function createDispatchLoop({ dispatcher, metrics, perform, own }: DispatchLoopDeps): DispatchLoop {
  const waiting: DispatchEffect[] = [];
  let underWay = 0;
  let changed = false;

  const performOne = async (effect: DispatchEffect): Promise<void> => {
    try {
      await perform(effect);
    } finally {
      underWay -= 1;
      start();
    }
  };
  const start = (): void => {
    while (underWay < MOST_EFFECTS_AT_ONCE) {
      const effect = waiting.shift();
      if (effect === undefined) return;
      underWay += 1;
      own(performOne(effect));
    }
  };

  return {
    tell(event) {
      changed = true;
      const beganMs = performance.now();
      const effects = dispatcher.step(event);
      metrics.decided((performance.now() - beganMs) / 1000);
      waiting.push(...effects);
      start();
    },
    snapshot: () => dispatcher.snapshot(),
    wishes: () => dispatcher.wishes(),
    pendingCount: () => dispatcher.pendingCount(),
    takeChanged() {
      const was = changed;
      changed = false;
      return was;
    },
  };
}
