import { basename } from "node:path";
import type { SimulateOptions } from "../run/options.ts";
import type { SimFleet, SimNode } from "../world/fleet.ts";
import { grouped, percent } from "./figures.ts";

/** What was simulated, for the head of a report: the same for the same options, wherever their files lie. */
export function settingOf(options: SimulateOptions, fleet: SimFleet): readonly string[] {
  const { workload, mix, members, topShare, batchShare, hours, jobs, seeds } = options;
  const source =
    workload.kind === "trace" ? `trace ${basename(workload.file)}` : `synthetic workload ${workload.of}`;
  const size = hours === null ? `${grouped(jobs)} jobs a run` : `${hours} hours a run`;
  const [edge, localSmall, localLarge] = mix.map(percent);
  const tiers = `${edge} edge, ${localSmall} local-small, ${localLarge} local-large`;
  const top = topShare === null ? "" : `, one of them sending ${percent(topShare)}`;
  const batch = batchShare > 0 ? `; ${percent(batchShare)} batch work` : "";
  const times = seeds === 1 ? "once" : `${seeds} times with other chance`;
  return [
    `Work: ${source}, ${size}, ${times}. ${tiers}${batch}; ${members} members${top}.`,
    `Fleet: ${machines(fleet.nodes)}.`,
  ];
}

/** Machines by kind, in the order of the fleet. */
function machines(nodes: readonly SimNode[]): string {
  const kinds = new Map<string, { readonly first: SimNode; count: number }>();
  for (const node of nodes) {
    const key = `${node.profile} ${node.slots} ${node.models.map(({ name }) => name).join()} ${node.tokensPerDay}`;
    const kind = kinds.get(key) ?? { first: node, count: 0 };
    kinds.set(key, kind);
    kind.count += 1;
  }
  return Array.from(kinds.values(), ({ first, count }) => {
    const name = count === 1 ? first.name : `${count} x ${first.profile}`;
    const slots = first.slots === 1 ? "1 slot" : `${first.slots} slots`;
    const budget = first.tokensPerDay === null ? "" : `, ${grouped(first.tokensPerDay)} tokens a day`;
    return `${name} (${slots}${budget}: ${first.models.map((model) => model.name).join(", ")})`;
  }).join("; ");
}
