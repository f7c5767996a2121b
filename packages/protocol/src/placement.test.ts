import { explainPlacement } from "@coop/core";
import { buildJobSpec, buildModelReport, buildNodeReport, buildNodeView } from "@coop/core/testing";
import { expect, it } from "vitest";
import { placementSchema } from "./placement.ts";

it("reads what core explains, costs and refusals, with nothing lost", () => {
  const spec = buildJobSpec({ target: { kind: "tier", tier: "local-small" } });
  const able = buildNodeView({
    report: buildNodeReport({ models: [buildModelReport({ name: "qwen3:8b" })] }),
  });
  const unable = buildNodeView({ report: buildNodeReport({ models: [buildModelReport()] }) });
  const snapshot = { atMs: spec.submittedAtMs, nodes: [able, unable], pendingJobs: 1 };
  const explained = explainPlacement(spec, snapshot, spec.submittedAtMs);
  const kinds = explained.nodes.flatMap(({ options }) => options.map(({ kind }) => kind));
  expect(new Set(kinds)).toEqual(new Set(["costed", "refused"]));
  expect(placementSchema.parse(JSON.parse(JSON.stringify(explained)))).toEqual(explained);
});
