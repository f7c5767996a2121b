import { createdJoinTokenSchema, nodeListSchema } from "@coop/protocol";
import type { NodeRow } from "@coop/protocol";
import { GIB, moment, renderTable, timeOfDay } from "../output.ts";
import type { CommandContext } from "./context.ts";

/** Lists the co-op's nodes, each with its models and what they can do. */
export async function listNodes({ client, output, json, hint }: CommandContext): Promise<void> {
  const list = await client.get("/v1/nodes", nodeListSchema);
  if (json) {
    output.json(list);
    return;
  }
  if (list.data.length === 0) {
    output.line(`No node has joined yet. Invite one: ${hint("invite-node")}`);
    return;
  }
  const rows = list.data.flatMap(nodeRows);
  const lines = renderTable(
    [
      { heading: "NODE", flexible: true },
      { heading: "OWNER", flexible: true },
      { heading: "STATE", flexible: true },
      { heading: "BUSY" },
      { heading: "MODEL", flexible: true },
      { heading: "TIER" },
      { heading: "CONTEXT", align: "right" },
      { heading: "TOKENS/S", align: "right" },
    ],
    rows,
  );
  for (const line of lines) output.line(line);
  output.line();
  for (const line of machineLines(list.data)) output.line(line);
  if (rows.some((row) => row[7]?.endsWith("~")))
    output.line("~ expected from catalogue and formula, not yet measured");
}

function nodeRows(node: NodeRow): string[][] {
  const head = [node.name, node.ownerName, stateOf(node), `${node.active}/${node.slots}`];
  const blank = ["", "", "", ""];
  if (node.models.length === 0) return [[...head, "(none)", "", "", ""]];
  return node.models.map((model, index) => [
    ...(index === 0 ? head : blank),
    `${model.name}${model.loaded ? " (loaded)" : ""}${model.unhealthy === null ? "" : " (broken)"}`,
    model.tier,
    String(model.contextTokens),
    model.capabilities.includes("embedding")
      ? ""
      : `${model.decodeTokensPerSecond.value.toFixed(1)}${model.decodeTokensPerSecond.basis === "prior" ? "~" : " "}`,
  ]);
}

function stateOf(node: NodeRow): string {
  if (!node.connected) return `away since ${timeOfDay(node.lastSeenMs)}`;
  if (node.draining) return "draining";
  if (node.closed !== null) return closedInWords(node.closed);
  if (node.thermal === "critical") return "too hot";
  return node.pressure === "critical" ? "out of memory" : "ready";
}

/** What its owner decided, such as `paused until 2026-11-21 18:00`. */
function closedInWords({ reason, untilMs }: NonNullable<NodeRow["closed"]>): string {
  const words = reason.replaceAll("-", " ");
  return untilMs === null ? words : `${words} until ${moment(untilMs)}`;
}

function machineLines(nodes: readonly NodeRow[]): string[] {
  return nodes.map(({ name, machine, power }) => {
    const memory = `${Math.round(machine.memoryBytes / GIB)} GiB`;
    return `${name}: ${machine.chip}, ${memory}, ${machine.engine}${power === "battery" ? ", on battery" : ""}${machine.simulated ? " (simulated)" : ""}`;
  });
}

/** Makes a join token and shows the command for the new machine. */
export async function inviteNode(
  { client, output, json }: CommandContext,
  member: string | null,
): Promise<void> {
  const invitation = await client.post(
    "/admin/join-tokens",
    member === null ? {} : { member },
    createdJoinTokenSchema,
  );
  if (json) {
    output.json(invitation);
    return;
  }
  output.line(
    `On the machine that joins, for ${invitation.memberName}, until ${timeOfDay(invitation.expiresAtMs)}:`,
  );
  output.line();
  output.line(`  ${invitation.command}`);
  output.line();
  output.line("The token serves once.");
  if (servesThisMachineOnly(invitation.command)) {
    output.line("Only the server's own machine reaches that address. For others, start the server with");
    output.line('COOP_LISTEN and COOP_PUBLIC_URL: the README says how, below "Others than yourself".');
  }
}

/** Whether what the line fetches comes from a loopback address. */
const servesThisMachineOnly = (command: string): boolean => {
  const address = /\bhttps?:\/\/\S+/.exec(command)?.[0];
  const host = address === undefined ? "" : (URL.parse(address)?.hostname ?? "");
  return host === "localhost" || host === "[::1]" || host.startsWith("127.");
};
