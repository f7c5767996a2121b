import { nodeRegistrationListSchema, nodeRegistrationSchema } from "@coop/protocol";
import type { NodeRegistrationRow } from "@coop/protocol";
import { CliError } from "../cli-error.ts";
import type { CommandContext } from "./context.ts";

/**
 * Lets a node finish what it runs and take nothing new, or take jobs again.
 * @param wanted its id, or its name where no other node has that name
 * @throws CliError `bad-option` for a node that is unknown or whose name others have too
 */
export async function drainNode(
  context: CommandContext,
  wanted: string,
  act: "drain" | "undrain",
): Promise<void> {
  const { client, output, json, hint } = context;
  const { id } = await findNode(context, wanted);
  const node = await client.post(`/admin/nodes/${encodeURIComponent(id)}/${act}`, {}, nodeRegistrationSchema);
  if (json) return output.json(node);
  output.line(
    act === "drain"
      ? `${node.name} finishes what it runs and takes nothing new, until: ${hint(`nodes undrain ${node.name}`)}`
      : `${node.name} takes jobs again.`,
  );
}

async function findNode({ client, hint }: CommandContext, wanted: string): Promise<NodeRegistrationRow> {
  const { data } = await client.get("/admin/nodes", nodeRegistrationListSchema);
  const serving = data.filter(({ revokedAtMs }) => revokedAtMs === null);
  const found = serving.filter(({ id, name }) => id === wanted || name === wanted);
  const [node] = found;
  if (node === undefined)
    throw new CliError("bad-option", `No node is called ${wanted}. List them: ${hint("nodes")}`);
  if (found.length === 1) return node;
  const ids = found.map(({ id, owner }) => `${id} of ${owner}`).join(", ");
  throw new CliError("bad-option", `Several nodes are called ${wanted}; say which by its id: ${ids}`);
}
