import { OperationalError } from "@coop/core";
import type { AttemptStore } from "@coop/core";

/**
 * What becomes of one call: it works, it is lost before the store sees it, its answer is lost after it worked,
 * or the store refuses it in a way that no repetition mends.
 */
export type Fate = "works" | "lost" | "answer-lost" | "refused";

/** A store whose calls fail as `fate` says, by the name of the call. */
export function unreliable(
  store: AttemptStore,
  fate: (call: keyof AttemptStore) => Fate | Promise<Fate>,
): AttemptStore {
  const through = async <T>(call: keyof AttemptStore, run: () => Promise<T>): Promise<T> => {
    const what = await fate(call);
    const away = new OperationalError("store-unavailable", `scripted: ${call} ${what}`, {
      retriable: what !== "refused",
    });
    if (what === "lost" || what === "refused") throw away;
    const answer = await run();
    if (what === "answer-lost") throw away;
    return answer;
  };
  return {
    lease: (...args) => through("lease", () => store.lease(...args)),
    accept: (...args) => through("accept", () => store.accept(...args)),
    append: (...args) => through("append", () => store.append(...args)),
    renew: (...args) => through("renew", () => store.renew(...args)),
    finish: (...args) => through("finish", () => store.finish(...args)),
    expire: (...args) => through("expire", () => store.expire(...args)),
    settleAbsent: (...args) => through("settleAbsent", () => store.settleAbsent(...args)),
    settleNode: (...args) => through("settleNode", () => store.settleNode(...args)),
    sweep: (...args) => through("sweep", () => store.sweep(...args)),
    read: (...args) => through("read", () => store.read(...args)),
    nodeAccount: (...args) => through("nodeAccount", () => store.nodeAccount(...args)),
    async *pending() {
      const what = await fate("pending");
      yield* store.pending();
      if (what !== "works")
        throw new OperationalError("store-unavailable", `scripted: pending ${what}`, { retriable: true });
    },
  };
}
