import type { Llama } from "node-llama-cpp";
import { loadModel } from "./llama-model.ts";
import type { LoadedModel } from "./llama-model.ts";

/** Which models are in llama.cpp's memory, and since when for whom. */
export interface Residence {
  /** Does work with a model, which is loaded first unless it is there with this context. */
  use<T>(name: string, contextTokens: number, work: (use: ModelUse) => Promise<T>): Promise<T>;
  /** Drops a model once nobody uses it any more. */
  unload(name: string): Promise<void>;
  unloadAll(): Promise<void>;
  loaded(): readonly (readonly [name: string, model: LoadedModel])[];
}

export interface ModelUse {
  readonly model: LoadedModel;
  /** What this use waited for the load, ms. */
  readonly loadMs: number;
}

interface Resident {
  readonly contextTokens: number;
  readonly loading: Promise<LoadedModel>;
  /** Null until it is loaded. */
  model: LoadedModel | null;
  readonly uses: Set<Promise<unknown>>;
}

/** @param pathOf a model's file */
export function createResidence(
  llama: Llama,
  pathOf: (name: string) => string,
  sequences: number,
): Residence {
  const residents = new Map<string, Resident>();

  const unload = async (name: string): Promise<void> => {
    const resident = residents.get(name);
    if (resident === undefined) return;
    residents.delete(name);
    const model = await resident.loading;
    await Promise.allSettled(resident.uses);
    await model.unload();
  };
  const load = (name: string, contextTokens: number): Resident => {
    const loading = loadModel(llama, pathOf(name), { contextTokens, sequences });
    const resident: Resident = { contextTokens, loading, model: null, uses: new Set() };
    residents.set(name, resident);
    void loading.then(
      (model) => (resident.model = model),
      () => residents.delete(name),
    );
    return resident;
  };
  return {
    async use(name, contextTokens, work) {
      const startedAtMs = performance.now();
      const known = residents.get(name);
      if (known !== undefined && known.contextTokens !== contextTokens) await unload(name);
      const resident = residents.get(name) ?? load(name, contextTokens);
      const model = await resident.loading;
      const using = work({ model, loadMs: performance.now() - startedAtMs });
      resident.uses.add(using);
      try {
        return await using;
      } finally {
        resident.uses.delete(using);
      }
    },
    unload,
    async unloadAll() {
      await Promise.all([...residents.keys()].map(unload));
    },
    loaded: () =>
      [...residents].flatMap(([name, { model }]) => (model === null ? [] : [[name, model] as const])),
  };
}
