/** What a simulated machine served of one model since it began. */
export interface ServedCounts {
  /** Requests that were answered to their end, and the tokens that their answers told. */
  readonly finished: number;
  readonly promptTokens: number;
  readonly outputTokens: number;
  /** Requests whose connection closed before the end. */
  readonly abandoned: number;
}

const NOTHING: ServedCounts = { finished: 0, promptTokens: 0, outputTokens: 0, abandoned: 0 };

/** Counts at the engine, beside whatever anyone else counts. Loading a model counts as nothing served. */
export function createServedCounts() {
  const models = new Map<string, ServedCounts>();
  const of = (model: string): ServedCounts => models.get(model) ?? NOTHING;
  return {
    finished(model: string, used: { readonly promptTokens: number; readonly outputTokens: number }): void {
      const before = of(model);
      models.set(model, {
        ...before,
        finished: before.finished + 1,
        promptTokens: before.promptTokens + used.promptTokens,
        outputTokens: before.outputTokens + used.outputTokens,
      });
    },
    abandoned(model: string): void {
      const before = of(model);
      models.set(model, { ...before, abandoned: before.abandoned + 1 });
    },
    byModel: (): Readonly<Record<string, ServedCounts>> => Object.fromEntries(models),
  };
}
