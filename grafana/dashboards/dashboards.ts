import type { Dashboard } from "@grafana/grafana-foundation-sdk/dashboard";
import { capacity } from "./capacity.ts";
import { members } from "./members.ts";
import { nodes } from "./nodes.ts";
import { service } from "./service.ts";

/** Every dashboard as Grafana loads it: file name and JSON text. */
export function dashboards(): ReadonlyMap<string, string> {
  const built = { capacity, nodes, members, service };
  return new Map(
    Object.entries(built).map(([name, dashboard]) => [
      `${name}.json`,
      `${JSON.stringify(numbered(dashboard.build()), null, 2)}\n`,
    ]),
  );
}

/** Panels need numbers of their own: links and shared views point at them. */
const numbered = (dashboard: Dashboard): Dashboard => ({
  ...dashboard,
  panels: (dashboard.panels ?? []).map((panel, index) => ({ ...panel, id: index + 1 })),
});
