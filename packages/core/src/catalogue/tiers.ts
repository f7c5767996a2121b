import type { ModelReport } from "../fleet/node.ts";
import type { Tier } from "../terms.ts";
import { findModelRow } from "./models.ts";

const EDGE_PARAMETERS_MAX = 6e9;
const LOCAL_LARGE_PARAMETERS_MIN = 20e9;

/**
 * The tier of a model: the operator's word, else the catalogue's row, else by size (up to 6B `edge`, under
 * 20B `local-small`, above `local-large`). A model of unknown size counts as `edge`: nothing is promised
 * that was not seen.
 */
export function tierOfModel(
  model: Pick<ModelReport, "name" | "parameterCount">,
  operatorTiers: Readonly<Record<string, Tier>> = {},
): Tier {
  const known = operatorTiers[model.name] ?? findModelRow(model.name)?.tier;
  if (known !== undefined) return known;
  const parameters = model.parameterCount ?? 0;
  if (parameters <= EDGE_PARAMETERS_MAX) return "edge";
  return parameters < LOCAL_LARGE_PARAMETERS_MIN ? "local-small" : "local-large";
}
