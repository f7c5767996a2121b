import { assertNever } from "@coop/core";
import { fitOf } from "../fit.ts";
import type { Fit } from "../fit.ts";
import { USUAL_CONTEXT_TOKENS } from "../model-sizing.ts";
import { gigabytes } from "./format.ts";
import { LOOK_MS, runningAgent, standBy } from "./one-look.ts";
import type { CommandDeps } from "./one-look.ts";

/** For a script to branch on. */
export const FIT_EXIT_CODES = { fits: 0, "does-not-fit": 1, unknown: 2 } as const satisfies Record<
  Fit["kind"],
  number
>;

/**
 * Tells whether a model could be brought into memory now, and what would be unloaded for it.
 * @returns the exit code
 */
export async function tellWhetherFits(deps: CommandDeps, model: string, json: boolean): Promise<number> {
  const { config, say } = deps;
  await using bystander = await standBy(deps);
  const snapshot = await bystander.reporter.look(AbortSignal.timeout(LOOK_MS));
  const agent = await runningAgent(deps);
  const held = new Set([
    ...config.settings.pinnedModels,
    ...(agent?.running ?? []).map((attempt) => attempt.model),
  ]);
  const contextTokens = config.settings.contextTokens ?? USUAL_CONTEXT_TOKENS;
  const fit = fitOf({ model, snapshot, held, contextTokens });
  say(json ? JSON.stringify(fit, null, 2) : inWords(fit));
  return FIT_EXIT_CODES[fit.kind];
}

function inWords(fit: Fit): string {
  switch (fit.kind) {
    case "fits": {
      if (fit.needBytes === 0) return `${fit.model} fits: a cloud serves it.`;
      if (fit.loaded) return `${fit.model} fits: it is in memory, ${gigabytes(fit.needBytes)}.`;
      const leaving = fit.unload.length === 0 ? "nothing is unloaded" : `unloads ${fit.unload.join(", ")}`;
      return `${fit.model} fits: takes ${gigabytes(fit.needBytes)}${origin(fit)}, ${leaving}.`;
    }
    case "does-not-fit": {
      const room = gigabytes(Math.max(0, fit.roomBytes));
      return `${fit.model} does not fit: takes ${gigabytes(fit.needBytes)}${origin(fit)}, there is room for ${room}: ${fit.reason}.`;
    }
    case "unknown":
      return `Unknown: ${fit.reason}${fit.reason.endsWith("?") ? "" : "."}`;
    default:
      return assertNever(fit);
  }
}

const origin = ({ source }: Extract<Fit, { source: unknown }>): string =>
  source === "catalogue" ? " (not installed; the catalogue's figure)" : "";
