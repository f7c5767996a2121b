import type { Wake, WakeUps } from "../ports/job-store.ts";

export interface MemoryWakeUps extends WakeUps {
  /** Delivers to everyone who is subscribed now. */
  publish(wake: Wake): void;
  /** Behaves as after a broken connection: messages may have been lost. */
  breakConnection(): void;
}

/** Wake-ups within one process. Delivery is never in the publisher's own turn, as over a network. */
export function createMemoryWakeUps(): MemoryWakeUps {
  const subscribers = new Set<{ readonly onWake: (wake: Wake) => void; readonly onGap: () => void }>();

  return {
    async subscribe(onWake, onGap, signal) {
      if (signal.aborted) return;
      const subscriber = { onWake, onGap };
      await Promise.resolve();
      subscribers.add(subscriber);
      onGap();
      await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
      subscribers.delete(subscriber);
    },
    publish(wake) {
      const deliver = async (): Promise<void> => {
        const receivers = [...subscribers];
        await Promise.resolve();
        for (const receiver of receivers) if (subscribers.has(receiver)) receiver.onWake(wake);
      };
      void deliver();
    },
    breakConnection() {
      for (const { onGap } of subscribers) onGap();
    },
  };
}
