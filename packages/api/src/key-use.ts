import { KEY_USE_EVERY_MS, OperationalError } from "@coop/core";
import type { Clock, KeyRecord, Log, MemberStore } from "@coop/core";

/** Writes down when keys were last used, beside the requests and at most once a minute for each. */
export interface KeyUse {
  /** Never waits and never fails. @param key as just read */
  note(key: KeyRecord): void;
}

export function createKeyUse(deps: {
  readonly members: Pick<MemberStore, "keyUsed">;
  readonly clock: Clock;
  readonly log: Log;
}): KeyUse {
  const underWay = new Set<string>();
  const write = async (id: string, nowMs: number): Promise<void> => {
    underWay.add(id);
    try {
      await deps.members.keyUsed(id, nowMs);
    } catch (error) {
      if (!(error instanceof OperationalError)) throw error;
      deps.log.warn(
        { code: error.code, key: id },
        "the use of a key could not be written down; the next one is",
      );
    } finally {
      underWay.delete(id);
    }
  };
  return {
    note: ({ id, lastUsedAtMs }) => {
      const nowMs = deps.clock.now();
      const isRecent = lastUsedAtMs !== null && nowMs - lastUsedAtMs < KEY_USE_EVERY_MS;
      if (!isRecent && !underWay.has(id)) void write(id, nowMs);
    },
  };
}
