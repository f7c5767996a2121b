import { modelAnswersTo, nearestNames, TIERS, tierAtLeast } from "@coop/core";
import type { FleetSnapshot, JobTarget, ModelReport, Tier } from "@coop/core";
import { modelsOf } from "./fleet-view.ts";
import { ProblemError } from "./problem.ts";

const TIER_PREFIX = "coop/";

/** `model` is also a tier's name, or `coop/auto`. */
export const TIER_NAMES: readonly string[] = [
  ...TIERS.map((tier) => TIER_PREFIX + tier),
  `${TIER_PREFIX}auto`,
];

/** What a target was written as. */
export const targetName = (target: JobTarget): string =>
  target.kind === "model" ? target.model : TIER_PREFIX + target.tier;

/**
 * Reads the `model` of a request.
 * @throws ProblemError 404 with the nearest names for a model that no node has, 400 for a tier that cannot be served.
 */
export function resolveTarget(requested: string, snapshot: FleetSnapshot, defaultTier: Tier): JobTarget {
  if (requested.startsWith(TIER_PREFIX)) return resolveTier(requested, snapshot, defaultTier);
  const known = modelsOf(snapshot).find(({ model }) => modelAnswersTo(model.name, requested));
  if (known === undefined) throw unknownModel(requested, snapshot);
  return { kind: "model", model: known.model.name };
}

/** The tier that a target counts for: of a model, the lowest that the fleet gives it. */
export function askedTier(target: JobTarget, snapshot: FleetSnapshot): Tier {
  if (target.kind === "tier") return target.tier;
  const given = modelsOf(snapshot)
    .filter(({ model }) => modelAnswersTo(model.name, target.model))
    .map(({ node, model }) => node.tiers[model.name]);
  return TIERS.find((tier) => given.includes(tier)) ?? "edge";
}

function resolveTier(requested: string, snapshot: FleetSnapshot, defaultTier: Tier): JobTarget {
  const name = requested.slice(TIER_PREFIX.length);
  const tier = name === "auto" ? defaultTier : TIERS.find((candidate) => candidate === name);
  if (tier === undefined) throw unknownModel(requested, snapshot);
  if (tier === "frontier") {
    throw new ProblemError(400, {
      code: "tier_not_configured",
      param: "model",
      message:
        "The tier frontier is a cloud API, and this co-op has none configured. Use coop/local-large for the best that runs here.",
    });
  }
  return { kind: "tier", tier };
}

function unknownModel(requested: string, snapshot: FleetSnapshot): ProblemError {
  const nearest = nearestNames(requested, [
    ...modelsOf(snapshot).map(({ model }) => model.name),
    ...TIER_NAMES,
  ]);
  return new ProblemError(404, {
    code: "model_not_found",
    param: "model",
    message: `No node has a model ${JSON.stringify(requested)}. Nearest: ${nearest.join(", ")}.`,
    nearest,
  });
}

/** Models of the fleet that a target could be served by, as far as names and tiers go. */
export function candidates(target: JobTarget, snapshot: FleetSnapshot): readonly ModelReport[] {
  return modelsOf(snapshot)
    .filter(({ node, model }) => {
      if (target.kind === "model") return modelAnswersTo(model.name, target.model);
      const tier = node.tiers[model.name];
      return tier !== undefined && tierAtLeast(tier, target.tier);
    })
    .map(({ model }) => model);
}
