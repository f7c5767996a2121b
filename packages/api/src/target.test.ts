import { buildNodeView } from "@coop/core/testing";
import { describe, expect, test } from "vitest";
import { resolveTarget } from "./target.ts";

const snapshot = { atMs: 0, pendingJobs: 0, nodes: [buildNodeView()] };

describe("a target", () => {
  test("is a tier, the member's own for coop/auto", () => {
    expect(resolveTarget("coop/local-large", snapshot, "edge")).toEqual({
      kind: "tier",
      tier: "local-large",
    });
    expect(resolveTarget("coop/auto", snapshot, "local-small")).toEqual({
      kind: "tier",
      tier: "local-small",
    });
  });

  test("is a model as its engine names it, with or without :latest", () => {
    const latest = {
      ...snapshot,
      nodes: [
        buildNodeView({
          report: {
            ...buildNodeView().report,
            models: buildNodeView().report.models.map((model) => ({ ...model, name: "org/phi:latest" })),
          },
        }),
      ],
    };
    for (const asked of ["org/phi", "org/phi:latest"]) {
      expect(resolveTarget(asked, latest, "edge")).toEqual({ kind: "model", model: "org/phi:latest" });
    }
    expect(() => resolveTarget("org/phi:3b", latest, "edge")).toThrow(/Nearest: org\/phi:latest/);
  });
});
