import { asMemberId } from "@coop/core";
import { ledgerAuditSchema, ledgerListSchema, problemSchema } from "@coop/protocol";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { chatBody, createWorld } from "./testing/world.ts";
import type { World } from "./testing/world.ts";

let world: World;
beforeEach(async () => {
  world = await createWorld();
});
afterEach(async () => {
  await world.expectQuiet();
});

const read = async (path: string): Promise<Response> =>
  world.request(`/admin/ledger${path}`, { key: world.operator.key });
const lines = async (query: string) => ledgerListSchema.parse(await (await read(query)).json());
const settle = async (amount: number): Promise<void> => {
  world.answerWith("one", "two");
  for (let index = 0; index < amount; index += 1)
    expect((await world.post("/v1/chat/completions", chatBody())).status).toBe(200);
};

describe("the ledger", () => {
  test("is read page by page to its end", async () => {
    await settle(5);
    const first = await lines("?limit=3");
    const second = await lines(`?limit=3&after=${first.nextCursor ?? ""}`);
    expect([...first.data, ...second.data].map(({ job }) => job)).toEqual(world.admitted);
    expect(second.nextCursor).toBeNull();
    expect(first.data[0]).toMatchObject({ kind: "succeeded", member: "mem_ada", toMember: 13, toNode: -13 });
  });

  test("is for operators, and names what is wrong in what is asked", async () => {
    expect((await world.request("/admin/ledger")).status).toBe(403);
    expect((await world.request("/admin/ledger/verify")).status).toBe(403);
    for (const [query, param] of [
      ["?limit=0", "limit"],
      ["?limit=1001", "limit"],
      ["?limit=few", "limit"],
      ["?after=yesterday", "after"],
      ["?after=", "after"],
    ] as const) {
      const response = await read(query);
      expect(response.status, query).toBe(400);
      expect(problemSchema.parse(await response.json()).error.param).toBe(param);
    }
  });

  test("agrees with the accounts, and an account that was changed behind it is named", async () => {
    await settle(2);
    const verify = async () => ledgerAuditSchema.parse(await (await read("/verify")).json());
    expect(await verify()).toMatchObject({ lines: 2, findings: [], findingCount: 0 });
    const { ledger } = world.deps;
    world = await createWorld({
      replace: () => ({
        ledger: {
          ...ledger,
          balances: async (after) => {
            const honest = await ledger.balances(after);
            const accounts = honest.accounts.map((account) =>
              account.kind === "member" && account.member === "mem_ada"
                ? { ...account, usedTokens: account.usedTokens + 1 }
                : account,
            );
            return { ...honest, accounts };
          },
        },
      }),
    });
    expect((await verify()).findings).toEqual([
      {
        kind: "member-drift",
        member: asMemberId("mem_ada"),
        month: "2026-03",
        ledgerTokens: 26,
        accountTokens: 27,
      },
    ]);
  });
});
