import type { NodeRegistrationRow } from "@coop/protocol";
import { expect, it } from "vitest";
import { createClient } from "../client.ts";
import { hintsFor } from "../invocation.ts";
import { captureOutput } from "../testing/captured-output.ts";
import { problem, startScriptedCoop } from "../testing/scripted-coop.ts";
import { drainNode } from "./drain-node.ts";

const attic: NodeRegistrationRow = {
  id: "node_1",
  name: "attic",
  owner: "mem_1",
  joinedAtMs: 1,
  revokedAtMs: null,
  drainedAtMs: null,
};
const registrations = (...data: readonly NodeRegistrationRow[]) => ({
  object: "list",
  agentVersion: null,
  data,
});

/** Drains or undrains in a co-op of these nodes. */
async function run(
  nodes: readonly NodeRegistrationRow[],
  wanted: string,
  act: "drain" | "undrain",
  json = false,
) {
  await using coop = await startScriptedCoop((route) => {
    if (route === "GET /admin/nodes") return { status: 200, json: registrations(...nodes) };
    if (route === `POST /admin/nodes/node_1/${act}`)
      return { status: 200, json: { ...attic, drainedAtMs: act === "drain" ? 7 : null } };
    return { status: 404, json: problem(`no ${route}`) };
  });
  const output = captureOutput();
  const hint = hintsFor({});
  const source = { key: "coop_a_b", place: "a test" };
  const client = createClient({ url: coop.url, source, hint, signal: new AbortController().signal });
  await drainNode({ client, output, json, hint }, wanted, act);
  return output.stdout().trimEnd();
}

it("drains a node by its name or id, and says how it ends", async () => {
  expect(await run([attic], "attic", "drain")).toMatch(/attic finishes what it runs .* nodes undrain attic$/);
  expect(await run([attic], "node_1", "undrain")).toBe("attic takes jobs again.");
  expect(JSON.parse(await run([attic], "attic", "drain", true))).toMatchObject({
    id: "node_1",
    drainedAtMs: 7,
  });
});

it("names the ids where several nodes have the name, and leaves revoked ones aside", async () => {
  const others = { ...attic, id: "node_2", owner: "mem_2" };
  await expect(run([attic, others], "attic", "drain")).rejects.toThrow(/node_1 of mem_1, node_2 of mem_2/);
  await expect(run([attic, { ...others, revokedAtMs: 3 }], "attic", "drain")).resolves.toContain("attic");
  await expect(run([], "attic", "drain")).rejects.toThrow(/No node is called attic/);
});
