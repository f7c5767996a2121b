import type { Log, ModelReport } from "@coop/core";
import type { Engine, EngineAnswer } from "./engines/engine.ts";

/** Most wishes of the scheduler that wait; more are dropped, for they are hints. */
const waitingMax = 16;

export interface WarmingDeps {
  readonly engine: Engine;
  readonly log: Log;
  /** What the node reports of a model, null when it has no such model. */
  readonly model: (name: string) => ModelReport | null;
  /** Whether the machine has this much memory, bytes, beyond what its owner wants to stay free. */
  readonly hasRoomFor: (bytes: number) => boolean;
  /** Whether the model must stay in memory: it generates, or its owner pinned it. */
  readonly mustStay: (name: string) => boolean;
  /** The engine's memory holds something else now. */
  readonly onDone: () => void;
}

/** Loads and unloads models as the scheduler wishes, one after the other. */
export class Warming {
  readonly #deps: WarmingDeps;
  readonly #stop = new AbortController();
  #last: Promise<void> = Promise.resolve();
  #waiting = 0;

  constructor(deps: WarmingDeps) {
    this.#deps = deps;
  }

  warm(name: string): void {
    const model = this.#deps.model(name);
    if (model === null || model.cloud) return this.#drop("warm", name);
    if (!model.loaded && !this.#deps.hasRoomFor(model.residentBytes)) return this.#drop("warm", name);
    const { engine } = this.#deps;
    this.#enqueue("warm", name, (signal) => engine.warm(name, model.contextTokens, signal));
  }

  unload(name: string): void {
    if (this.#deps.model(name) === null || this.#deps.mustStay(name)) return this.#drop("unload", name);
    this.#enqueue("unload", name, (signal) => {
      // Its turn may come after an attempt on the model began.
      const unwanted = this.#deps.mustStay(name);
      return unwanted ? Promise.resolve({ kind: "aborted" }) : this.#deps.engine.unload(name, signal);
    });
  }

  /** Resolves when nothing of it runs any more. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#last;
  }

  #enqueue(wish: string, model: string, ask: (signal: AbortSignal) => Promise<EngineAnswer>): void {
    if (this.#waiting >= waitingMax) return this.#drop(wish, model);
    this.#waiting += 1;
    this.#last = this.#after(this.#last, wish, model, ask);
  }

  async #after(
    last: Promise<void>,
    wish: string,
    model: string,
    ask: (signal: AbortSignal) => Promise<EngineAnswer>,
  ): Promise<void> {
    await last;
    const { signal } = this.#stop;
    const answer: EngineAnswer = signal.aborted ? { kind: "aborted" } : await ask(signal);
    this.#waiting -= 1;
    if (answer.kind === "failed") {
      this.#deps.log.warn({ wish, model, problem: answer.message }, "the engine refused");
    }
    if (answer.kind !== "aborted") this.#deps.onDone();
  }

  #drop(wish: string, model: string): void {
    this.#deps.log.debug({ wish, model }, "dropped a wish of the scheduler");
  }
}
