import { expect, it } from "vitest";
import { createClient } from "../client.ts";
import { hintsFor } from "../invocation.ts";
import { captureOutput } from "../testing/captured-output.ts";
import { startScriptedCoop } from "../testing/scripted-coop.ts";
import { inviteNode } from "./nodes.ts";

/** What `coop invite-node` prints for a server with that address. */
async function invite(address: string): Promise<string> {
  const invitation = {
    token: "coopjoin_x",
    member: "mem_1",
    memberName: "maja",
    expiresAtMs: 1,
    command: `npx -y ${address}/install/agent.tgz start --join coopjoin_x`,
  };
  await using coop = await startScriptedCoop(() => ({ status: 201, json: invitation }));
  const output = captureOutput();
  const hint = hintsFor({});
  const source = { key: "coop_a_b", place: "a test" };
  const client = createClient({ url: coop.url, source, hint, signal: new AbortController().signal });
  await inviteNode({ client, output, json: false, hint }, null);
  return output.stdout();
}

it("says so when no other machine can reach the address of the line that it prints", async () => {
  for (const address of ["http://127.0.0.1:7070", "http://localhost:7070", "http://[::1]:7070"])
    expect(await invite(address), address).toContain("COOP_PUBLIC_URL");
  for (const address of ["https://coop.example", "http://192.168.1.20:7070"])
    expect(await invite(address), address).not.toContain("COOP_PUBLIC_URL");
});
