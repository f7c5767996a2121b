import type { Log } from "@coop/core";
import { z } from "zod";
import type { Timing } from "../../timing.ts";
import type { Engine, EngineAnswer, EngineDescription } from "../engine.ts";
import { EngineFault } from "./fault.ts";
import { generate } from "./generation.ts";
import { createListing } from "./listing.ts";
import { createLoading } from "./loading.ts";
import { createOccupancy } from "./occupancy.ts";
import { createTransport } from "./transport.ts";
import type { Transport } from "./transport.ts";
import { versionSchema } from "./wire.ts";

export interface OllamaDeps {
  /** From `parseOllamaHost`. */
  readonly host: URL;
  readonly timing: Timing;
  readonly log: Log;
}

/** Oldest version that is served: before it, a crafted model could write files on this machine. */
const OLDEST_VERSION = [0, 35, 0] as const;

/** Ollama as an engine. */
export function createOllamaEngine({ host, timing, log }: OllamaDeps): Engine {
  const transport = createTransport(host);
  const loading = createLoading({ transport, timing });
  const occupancy = createOccupancy(timing);
  const listing = createListing({ transport, log });
  return {
    describe: (signal) => describe(transport, signal),
    models: (signal) => listing.models(signal),
    generate: (request, signal, limits) =>
      generate({ transport, loading, timing, occupancy, isCloud: listing.isCloud }, request, signal, limits),
    warm: (model, contextTokens, signal) => untilAborted(loading.load(model, contextTokens), signal),
    async unload(model, signal) {
      loading.forget(model);
      try {
        return await answer(
          () => transport.ask("/api/generate", { model, prompt: "", stream: false, keep_alive: 0 }, signal),
          signal,
        );
      } finally {
        // A job that it overtook has vouched for the model meanwhile.
        loading.forget(model);
      }
    },
    async close() {
      loading.close();
      await transport.close();
    },
  };
}

async function describe(transport: Transport, signal: AbortSignal): Promise<EngineDescription> {
  try {
    const { version, simulated } = versionSchema.parse(await transport.ask("/api/version", null, signal));
    if (!isAtLeast(version, OLDEST_VERSION)) {
      const oldest = OLDEST_VERSION.join(".");
      return {
        kind: "refused",
        reason: "too-old",
        message: `Ollama ${version} is too old: versions before ${oldest} have a hole that lets a model write files on this machine; update Ollama and start the agent again`,
      };
    }
    return { kind: "ready", engine: `ollama ${version}`, simulated: simulated ?? null };
  } catch (error) {
    if (error instanceof z.ZodError) {
      return {
        kind: "refused",
        reason: "not-understood",
        message: "what answers is not Ollama: it does not tell its version",
      };
    }
    if (error instanceof EngineFault) {
      const reason = error.failure === "engine-unreachable" ? "absent" : "not-understood";
      return { kind: "refused", reason, message: error.message };
    }
    if (signal.aborted) {
      return { kind: "refused", reason: "absent", message: "the engine did not tell its version in time" };
    }
    throw error;
  }
}

/** Compares the numbers of a version; what follows them ("-rc1") does not count. */
function isAtLeast(version: string, oldest: readonly number[]): boolean {
  const numbers = /^v?(\d+)\.(\d+)\.(\d+)/.exec(version)?.slice(1).map(Number);
  if (numbers === undefined) return false;
  for (const [place, wanted] of oldest.entries()) {
    const found = numbers[place] ?? 0;
    if (found !== wanted) return found > wanted;
  }
  return true;
}

async function answer(call: () => Promise<unknown>, signal: AbortSignal): Promise<EngineAnswer> {
  try {
    await call();
    return { kind: "ok" };
  } catch (error) {
    if (signal.aborted) return { kind: "aborted" };
    if (error instanceof EngineFault) return { kind: "failed", class: error.failure, message: error.message };
    throw error;
  }
}

/** The work goes on when its waiter leaves. */
async function untilAborted(work: Promise<EngineAnswer>, signal: AbortSignal): Promise<EngineAnswer> {
  if (signal.aborted) return { kind: "aborted" };
  const { promise, resolve } = Promise.withResolvers<EngineAnswer>();
  const onAbort = (): void => resolve({ kind: "aborted" });
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
