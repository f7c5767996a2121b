import { ledgerListSchema, statementSchema, usagePageSchema } from "@coop/protocol";
import type { StatementView } from "@coop/protocol";
import { z } from "zod";
import type { CoopClient } from "../client.ts";
import { MEMBERS } from "./workload.ts";
import type { DemoMember } from "./workload.ts";
import type { MemberClients } from "./work.ts";

/** The same tokens as four places tell them, which must be equal. */
export interface Books {
  readonly members: readonly MemberBooks[];
  readonly nodes: readonly NodeBooks[];
}

/** What a member was charged and their nodes earned, tokens. */
export interface MemberBooks {
  readonly member: DemoMember;
  readonly charged: { readonly statement: number; readonly usage: number; readonly ledger: number };
  readonly credit: { readonly statement: number; readonly ledger: number };
}

export interface Served {
  readonly jobs: number;
  readonly promptTokens: number;
  readonly outputTokens: number;
}

/** What a node served: as its engine counted, and as usage and the fleet's statement have it. */
export interface NodeBooks {
  readonly node: string;
  readonly engine: Served;
  readonly usage: Served;
  readonly statement: Served;
}

/** By model, as a simulated machine tells it. */
const servedSchema = z.record(
  z.string(),
  z.object({ finished: z.number(), promptTokens: z.number(), outputTokens: z.number() }),
);

const LEDGER_LINES = 1_000;
const NOTHING: Served = { jobs: 0, promptTokens: 0, outputTokens: 0 };

/** @param engines addresses of the simulated machines, by node name */
export async function readBooks(
  operator: CoopClient,
  clients: MemberClients,
  engines: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<Books> {
  const [fleet, ledger, usage] = await Promise.all([
    operator.get("/admin/statement", statementSchema),
    readLedger(operator),
    operator.get("/admin/usage?groupBy=node", usagePageSchema),
  ]);
  const members = MEMBERS.map(async (member): Promise<MemberBooks> => {
    const [statement, own] = await Promise.all([
      clients[member].get("/v1/statement", statementSchema),
      clients[member].get("/v1/usage", usagePageSchema),
    ]);
    const entered = ledger.get(idOf(statement)) ?? { charged: 0, credit: 0 };
    return {
      member,
      charged: {
        statement: statement.usage.chargedTokens,
        usage: own.total.chargedTokens,
        ledger: entered.charged,
      },
      credit: { statement: statement.quota?.creditTokens ?? 0, ledger: entered.credit },
    };
  });
  const nodes = Object.entries(engines).map(async ([node, url]): Promise<NodeBooks> => {
    const ofUsage = usage.data.find(({ key }) => usage.nodeNames[key ?? ""] === node);
    const ofStatement = fleet.nodes.find(({ name }) => name === node);
    const answer = await fetch(`${url}/simulated/served`, { signal });
    const models = Object.values(servedSchema.parse(await answer.json()));
    return {
      node,
      engine: models.reduce(
        (sum, model) => ({
          jobs: sum.jobs + model.finished,
          promptTokens: sum.promptTokens + model.promptTokens,
          outputTokens: sum.outputTokens + model.outputTokens,
        }),
        NOTHING,
      ),
      usage: servedOf(ofUsage),
      statement: servedOf(ofStatement),
    };
  });
  return { members: await Promise.all(members), nodes: await Promise.all(nodes) };
}

const idOf = ({ subject }: StatementView): string => (subject.kind === "member" ? subject.member : "");

const servedOf = (
  group: { succeeded: number; promptTokens: number; outputTokens: number } | undefined,
): Served =>
  group === undefined
    ? NOTHING
    : { jobs: group.succeeded, promptTokens: group.promptTokens, outputTokens: group.outputTokens };

/** What the ledger charged to each member and credited to each owner, tokens by member's id. */
async function readLedger(
  operator: CoopClient,
): Promise<ReadonlyMap<string, { readonly charged: number; readonly credit: number }>> {
  const sums = new Map<string, { readonly charged: number; readonly credit: number }>();
  const add = (member: string | null, charged: number, credit: number): void => {
    if (member === null) return;
    const before = sums.get(member) ?? { charged: 0, credit: 0 };
    sums.set(member, { charged: before.charged + charged, credit: before.credit + credit });
  };
  let after = "";
  for (;;) {
    const { data, nextCursor } = await operator.get(
      `/admin/ledger?limit=${LEDGER_LINES}${after}`,
      ledgerListSchema,
    );
    for (const { member, owner, toMember, toCredit } of data) {
      add(member, toMember, 0);
      add(owner, 0, toCredit);
    }
    if (nextCursor === null) return sums;
    after = `&after=${nextCursor}`;
  }
}

/** Every number that differs from what another place tells; empty when all are equal. */
export function bookDifferences({ members, nodes }: Books): string[] {
  return [
    ...members.flatMap(({ member, charged, credit }) => [
      ...differing(`charged to ${member}`, charged),
      ...differing(`credit of ${member}`, credit),
    ]),
    ...nodes.flatMap(({ node, engine, usage, statement }) =>
      (["jobs", "promptTokens", "outputTokens"] as const).flatMap((what) =>
        differing(`${what} of ${node}`, {
          engine: engine[what],
          usage: usage[what],
          statement: statement[what],
        }),
      ),
    ),
  ];
}

const differing = (what: string, told: Readonly<Record<string, number>>): string[] =>
  new Set(Object.values(told)).size === 1
    ? []
    : [
        `${what}: ${Object.entries(told)
          .map(([place, value]) => `${place} ${value}`)
          .join(", ")}`,
      ];
