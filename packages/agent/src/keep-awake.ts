import { spawn } from "node:child_process";
import type { Log } from "@coop/core";

/** Something that keeps the machine awake until it is stopped. */
export interface Wakefulness {
  stop(): void;
}

/** Keeps the machine awake while it works, and only then: its owner's energy settings hold for the rest. */
export class KeepAwake {
  readonly #begin: () => Wakefulness;
  #awake: Wakefulness | null = null;

  constructor(begin: () => Wakefulness) {
    this.#begin = begin;
  }

  /** To be told whenever it may have changed. */
  working(isWorking: boolean): void {
    if (isWorking) {
      this.#awake ??= this.#begin();
      return;
    }
    this.#awake?.stop();
    this.#awake = null;
  }
}

/** How this platform is kept awake. A Mac sleeps in the middle of a job unless told not to; others do not. */
export function wakefulnessOf(platform: NodeJS.Platform, log: Log): () => Wakefulness {
  if (platform !== "darwin") return () => ({ stop: () => undefined });
  return () => {
    // `-w`: it ends with this process, however that ends.
    const caffeinate = spawn("caffeinate", ["-i", "-w", String(process.pid)], { stdio: "ignore" });
    caffeinate.once("error", (error) =>
      log.warn({ problem: error.message }, "this Mac may sleep during a job"),
    );
    caffeinate.unref();
    return { stop: () => void caffeinate.kill() };
  };
}
