import { createHash } from "node:crypto";
import { asNodeId, assert, DEFAULT_SETTINGS, WAIT_EDGES_MS } from "@coop/core";
import type { UsageReader, UsageRow } from "@coop/core";
import { sumsOfRows } from "@coop/core/testing";
import {
  ledgerListSchema,
  problemSchema,
  quotaSchema,
  statementSchema,
  usagePageSchema,
} from "@coop/protocol";
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

const admin = async (path: string): Promise<Response> =>
  world.request(`/admin${path}`, { key: world.operator.key });
const usageOf = async (path: string) => usagePageSchema.parse(await (await world.request(path)).json());
const statementOf = async (response: Promise<Response>) =>
  statementSchema.parse(await (await response).json());

/** Chats of Ada and one of Bob, each answered by two tokens. */
async function work(): Promise<void> {
  world.answerWith("one", "two");
  for (const key of [world.ada.key, world.ada.key, world.bob.key])
    expect((await world.post("/v1/chat/completions", chatBody(), { key })).status).toBe(200);
}

describe("usage and statement", () => {
  test("say the same as account and ledger", async () => {
    await work();
    const { usedTokens } = quotaSchema.parse(await (await world.request("/v1/quota")).json());
    const usage = await usageOf("/v1/usage");
    const statement = await statementOf(world.request("/v1/statement"));
    const ledger = ledgerListSchema.parse(await (await admin("/ledger")).json());
    const entered = ledger.data
      .filter(({ member }) => member === world.ada.member.id)
      .reduce((sum, { toMember }) => sum + toMember, 0);
    expect(usedTokens).toBe(26);
    expect([usage.total.chargedTokens, statement.usage.chargedTokens, entered]).toEqual([26, 26, 26]);
    expect(usage.total).toEqual(statement.usage);
    expect(statement.usage).toMatchObject({ succeeded: 2, promptTokens: 22, outputTokens: 4 });
    expect(statement.quota).toMatchObject({ usedTokens: 26, heldTokens: 0, limitTokens: null });
    expect(statement.waits.jobs).toBe(2);
  });

  test("of the fleet have everybody's, with a row a member", async () => {
    await work();
    const fleet = await statementOf(admin("/statement"));
    expect(fleet.members.map(({ name, chargedTokens }) => [name, chargedTokens])).toEqual([
      ["ada", 26],
      ["bob", 13],
      ["olga", 0],
    ]);
    expect([fleet.usage.chargedTokens, fleet.fleet.tokens]).toEqual([39, 39]);
    const bob = await statementOf(admin("/statement?member=bob"));
    expect(bob).toMatchObject({ subject: { kind: "member", name: "bob" }, usage: { chargedTokens: 13 } });
    const all = usagePageSchema.parse(await (await admin("/usage?groupBy=model")).json());
    expect(all).toMatchObject({ member: null, data: [{ key: "llama3.2:3b", chargedTokens: 39 }] });
    const one = usagePageSchema.parse(await (await admin("/usage?member=bob&groupBy=tier")).json());
    expect(one).toMatchObject({ member: "mem_bob", data: [{ key: "edge", chargedTokens: 13 }] });
  });

  test("of others are for operators", async () => {
    for (const path of ["/admin/usage", "/admin/statement", "/admin/statement?member=ada"])
      expect((await world.request(path)).status, path).toBe(403);
  });

  test("name the parameter that is wrong", async () => {
    for (const [path, param, status] of [
      ["/usage?from=2026-02-30", "from", 400],
      ["/usage?to=2026-2-3", "to", 400],
      ["/usage?from=2026-03-02&to=2026-03-01", "from", 400],
      ["/usage?groupBy=week", "groupBy", 400],
      ["/usage?format=xml", "format", 400],
      ["/usage?from=2025-01-01&to=2026-03-01&cursor=2025-04-02", "cursor", 400],
      ["/usage?from=2025-01-01&to=2026-03-01&cursor=2027-01-01", "cursor", 400],
      ["/usage?member=nobody", "member", 404],
      ["/statement?month=2026-13", "month", 400],
      ["/statement?month=2027-01", "month", 400],
      ["/statement?month=", "month", 400],
      ["/statement?format=pdf", "format", 400],
      ["/statement?member=nobody", "member", 404],
    ] as const) {
      const response = await admin(path);
      expect(response.status, path).toBe(status);
      expect(problemSchema.parse(await response.json()).error.param, path).toBe(param);
    }
  });
});

/** A reader that has these rows of each member. */
const readerOf = (rowsOf: (month: string) => readonly UsageRow[]): UsageReader => ({
  month: async (member, month) => ({ member, month, rows: rowsOf(month) }),
  sums: async (members, month) =>
    members.map((member) => ({
      member,
      month,
      ...sumsOfRows(rowsOf(month)),
      waits: WAIT_EDGES_MS.map(() => 1),
    })),
});

/** A reader with one job of so many tokens on the first and the last day of each month. */
function scriptedUsage(seen: string[]): UsageReader {
  const row = (day: string): UsageRow => ({
    day,
    place: null,
    succeeded: 1,
    failed: 0,
    cancelled: 0,
    expired: 0,
    promptTokens: 0,
    outputTokens: 0,
    chargedTokens: 0,
    nodeMs: 0,
  });
  return readerOf((month) => {
    seen.push(month);
    return [row(`${month}-01`), row(`${month}-28`)];
  });
}

describe("a long range", () => {
  const seen: string[] = [];
  beforeEach(async () => {
    seen.length = 0;
    world = await createWorld({ replace: () => ({ usage: scriptedUsage(seen) }) });
  });

  test("comes in pages of months whose sums are those of the whole, both ends included", async () => {
    world.clock.set(Date.UTC(2028, 11, 27, 12));
    const pages: number[] = [];
    const spans: string[] = [];
    let path = "/v1/usage?from=2026-03-28&to=2028-12-27&groupBy=tier";
    while (path !== "") {
      const response = await world.request(path);
      const page = usagePageSchema.parse(await response.json());
      pages.push(page.total.succeeded);
      spans.push(`${page.from} ${page.to}`);
      const link = /^<(.+)>; rel="next"$/.exec(response.headers.get("link") ?? "");
      expect(link !== null).toBe(page.nextCursor !== null);
      path = link?.[1] ?? "";
    }
    expect(spans).toEqual(["2026-03-28 2027-02-28", "2027-03-01 2028-02-29", "2028-03-01 2028-12-27"]);
    expect(pages).toEqual([23, 24, 19]);
    expect(new Set(seen).size).toBe(34);
  });

  test("is read from the month in which its member was added up to today", async () => {
    world.clock.set(Date.UTC(2026, 3, 20, 12));
    for (const ask of [async (path: string) => world.request(`/v1${path}`), admin]) {
      const page = usagePageSchema.parse(await (await ask("/usage?from=1000-01-01&to=9999-12-31")).json());
      expect(page).toMatchObject({ from: "2026-03-01", to: "2026-04-20", nextCursor: null });
    }
    expect(new Set(seen)).toEqual(new Set(["2026-03", "2026-04"]));
  });

  test.each(["from=1000-01-01&to=2026-02-28", "from=9999-11-30&to=9999-12-31"])(
    "of days on which nobody was a member reads nothing: %s",
    async (range) => {
      const page = usagePageSchema.parse(await (await world.request(`/v1/usage?${range}`)).json());
      expect(page).toMatchObject({ data: [], total: { succeeded: 0 }, nextCursor: null });
      expect(seen).toEqual([]);
    },
  );

  test("of all members has fewer months a page", async () => {
    world.clock.set(Date.UTC(2027, 0, 1, 12));
    const page = usagePageSchema.parse(await (await admin("/usage?from=0001-01-01&to=9999-12-31")).json());
    expect(page).toMatchObject({ to: "2026-05-31", nextCursor: "2026-06-01", total: { succeeded: 18 } });
  });
});

test("members who ask at once share what is read of the others", async () => {
  const seen: string[] = [];
  world = await createWorld({ replace: () => ({ usage: scriptedUsage(seen) }) });
  const answers = await Promise.all(
    Array.from({ length: 20 }, async () => statementOf(world.request("/v1/statement"))),
  );
  expect(answers.every(({ usage }) => usage.succeeded === 2)).toBe(true);
  expect(seen.length).toBeLessThan(20 + 3 * 20);
});

test("however many reports are made at once, members are read one after the other", async () => {
  let reading = 0;
  let most = 0;
  const scripted = scriptedUsage([]);
  world = await createWorld({
    replace: () => ({
      usage: {
        ...scripted,
        sums: async (members, month) => {
          reading += 1;
          most = Math.max(most, reading);
          await new Promise((resolve) => setImmediate(resolve));
          reading -= 1;
          return scripted.sums(members, month);
        },
      },
    }),
  });
  const months = ["2025-11", "2025-12", "2026-01", "2026-02", "2026-03"];
  const answers = await Promise.all(months.map(async (month) => admin(`/statement?month=${month}`)));
  expect(answers.map(({ status }) => status)).toEqual(months.map(() => 200));
  expect(most).toBe(1);
});

describe("rendered", () => {
  const EVIL = `<script>alert("x")</script>|=1+1`;
  /** Bob is called something that is markup, a formula and a table's cell border. */
  beforeEach(async () => {
    world = await createWorld({
      replace: ({ members }) => ({
        settings: { ...DEFAULT_SETTINGS, name: `=1+2 ${EVIL}` },
        usage: readerOf((month) => [
          {
            day: `${month}-01`,
            place: { node: asNodeId("node_gone"), model: EVIL, tier: "edge" },
            succeeded: 3,
            failed: 0,
            cancelled: 0,
            expired: 0,
            promptTokens: 10,
            outputTokens: 20,
            chargedTokens: 30,
            nodeMs: 5_000,
          },
        ]),
        members: {
          ...members,
          members: async () =>
            (await members.members()).map((one) => (one.name === "bob" ? { ...one, name: EVIL } : one)),
        },
      }),
    });
  });

  test("as a page it loads nothing, runs nothing and is told so", async () => {
    const response = await admin("/statement?format=html");
    const page = await response.text();
    expect(response.headers.get("content-type")).toBe("text/html; charset=utf-8");
    expect(page).not.toMatch(/<script|<link|<img|<iframe|@import|url\(|\bsrc=|href=|\son\w+=|\sstyle=/i);
    expect(page).toContain("&lt;script&gt;");
    const style = /<style>([^]*?)<\/style>/.exec(page)?.[1];
    assert(style !== undefined, "the page has a style");
    const digest = createHash("sha256").update(style).digest("base64");
    expect(response.headers.get("content-security-policy")).toContain(`style-src 'sha256-${digest}'`);
  });

  test("as a page every drawing has words, every table a caption and headings, and one title", async () => {
    const page = await (await world.request("/v1/statement?format=html")).text();
    const drawings = page.match(/<svg[^>]*>/g) ?? [];
    expect(drawings.length).toBeGreaterThan(5);
    for (const drawing of drawings)
      expect(drawing).toMatch(/role="img"\s+aria-label="[^"]+"|aria-hidden="true"/);
    expect(page.match(/<h1>/g)).toHaveLength(1);
    expect(page.match(/<caption>/g)?.length).toBe(page.match(/<table/g)?.length);
    expect(page).toMatch(/<th scope="col"/);
    expect(page).toMatch(/<th scope="row"/);
  });

  test("says which price is missing in each form", async () => {
    for (const format of ["html", "md", "csv", "json"]) {
      const text = await (await world.request(`/v1/statement?format=${format}`)).text();
      expect(text.replaceAll("\\_", "_"), format).toMatch(/Nobody said what node_gone costs/);
      expect(text, format).toContain("coop.yaml");
    }
  });

  test("says of a month that is over that its limits are today's", async () => {
    const note = "Limits are those of the day on which this was made";
    const past = await (await world.request("/v1/statement?month=2025-12&format=md")).text();
    expect(past).toContain(note);
    expect(await (await world.request("/v1/statement?format=md")).text()).not.toContain(note);
  });

  test("as Markdown keeps names from being markup", async () => {
    const text = await (await admin("/statement?format=md")).text();
    expect(text).not.toContain("<script>");
    expect(text).toContain("\\|=1+1");
    const widths = new Set<number>();
    for (const line of text.split("\n").filter((one) => one.startsWith("| "))) {
      widths.add(line.split(/(?<!\\)\|/).length);
      expect(line.endsWith(" |")).toBe(true);
    }
    expect(widths.size).toBeGreaterThan(1);
  });

  test("as CSV has one figure a line, and no cell that a spreadsheet would run", async () => {
    const response = await world.request("/v1/statement?format=csv");
    expect(response.headers.get("content-type")).toBe("text/csv; charset=utf-8");
    const text = await response.text();
    expect(text).toContain("\r\nusage,,chargedTokens,30,tokens\r\n");
    expect(text).not.toMatch(/(^|,)"?[=+@]/m);
    const usage = await (await world.request("/v1/usage?groupBy=node&format=csv")).text();
    expect(usage).toBe(
      "node,nodeName,succeeded,failed,cancelled,expired,promptTokens,outputTokens,chargedTokens,nodeMs\r\n" +
        "node_gone,node_gone,3,0,0,0,10,20,30,5000\r\n",
    );
  });
});
