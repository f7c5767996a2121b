import { randomBytes } from "node:crypto";
import { asMemberId, OperationalError } from "@coop/core";
import type { AuditEntry } from "@coop/core";
import { createManualClock, createMemoryAuditLog } from "@coop/core/testing";
import { auditListSchema, auditVerificationSchema, createdKeySchema, memberViewSchema } from "@coop/protocol";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ACTS, onlyReads } from "./audit/acts.ts";
import { discreet } from "./audit/discreet.ts";
import { createAuditTrail } from "./audit/trail.ts";
import { CANARY, createWorld } from "./testing/world.ts";
import type { World } from "./testing/world.ts";

let world: World;
let entries: AuditEntry[];
const audited = (clock = createManualClock()) =>
  createAuditTrail({ log: createMemoryAuditLog(entries), key: new Uint8Array(32), clock });

beforeEach(async () => {
  entries = [];
  world = await createWorld({ replace: () => ({ audit: audited() }) });
});
afterEach(async () => {
  await world.expectQuiet();
});

const admin = async (method: string, path: string, body?: unknown): Promise<Response> =>
  world.request(`/admin/${path}`, {
    method,
    key: world.operator.key,
    ...(body !== undefined && { body: typeof body === "string" ? body : JSON.stringify(body) }),
  });
const acts = (): readonly unknown[] =>
  entries.map(({ act, phase, target, of, detail }) => [act, phase, target, of, detail]);

describe("the audit log", () => {
  test("has each act before it is done, and how it ended", async () => {
    const dana = memberViewSchema.parse(await (await admin("POST", "members", { name: "dana" })).json());
    const key = createdKeySchema.parse(await (await admin("POST", "members/dana/keys", {})).json());
    await admin("DELETE", `keys/${key.id}`);
    await admin("POST", "members/dana/disable");
    expect(acts()).toEqual([
      ["members.add", "asked", null, null, '{"name":"(text)"}'],
      ["members.add", "done", dana.id, 1, "{}"],
      ["keys.create", "asked", dana.id, null, "{}"],
      ["keys.create", "done", key.id, 3, "{}"],
      ["keys.revoke", "asked", key.id, null, "{}"],
      ["keys.revoke", "done", key.id, 5, "{}"],
      ["members.disable", "asked", dana.id, null, "{}"],
      ["members.disable", "done", dana.id, 7, "{}"],
    ]);
    for (const { actor, key: used } of entries) expect([actor, used]).toEqual(["mem_olga", "keyolga00000"]);
  });

  test("has what was refused, and why", async () => {
    await admin("POST", "members", { name: "ada" });
    await admin("POST", "members", { name: "eve", weight: "heavy" });
    await admin("POST", "members", "{");
    await admin("POST", `members/${CANARY}/disable`);
    await admin("DELETE", "nodes/node_nobody");
    await admin("POST", "members/olga/disable");
    const refused = entries.filter(({ phase }) => phase === "refused");
    expect(refused.map(({ act, target, of, detail }) => [act, target, of, JSON.parse(detail)])).toEqual([
      ["members.add", null, 1, { status: 409, code: "name_taken", param: "name" }],
      ["members.add", null, 3, expect.objectContaining({ status: 400, param: "weight" })],
      ["members.add", null, 5, { status: 400, code: "invalid_json" }],
      ["members.disable", null, 7, { status: 404, code: "not_found", param: "id" }],
      ["nodes.revoke", "node_nobody", 9, { status: 404, code: "not_found", param: "id" }],
      ["members.disable", "mem_olga", 11, { status: 409, code: "last_operator", param: "id" }],
    ]);
  });

  test("keeps no secret, and no name that erasing a member would have to take out", async () => {
    const created = createdKeySchema.parse(await (await admin("POST", "members/ada/keys", {})).json());
    await admin("DELETE", `keys/${created.key}`);
    await admin("POST", "members", { name: CANARY, role: CANARY, [CANARY]: { deep: CANARY } });
    await admin("POST", "join-tokens", { member: CANARY });
    const text = JSON.stringify(entries);
    expect(text).not.toContain(CANARY);
    expect(text).not.toContain(created.key.slice(-40));
  });

  test("says nothing of what only reads, of members, and of paths that are not there", async () => {
    await admin("GET", "members");
    await admin("POST", "nothing", {});
    await world.post("/admin/members", { name: "eve" });
    expect(entries).toEqual([]);
  });

  test("is read page by page, by operators", async () => {
    for (let index = 0; index < 3; index++) await admin("POST", "members/ada/enable");
    const page = async (query: string) =>
      auditListSchema.parse(await (await admin("GET", `audit${query}`)).json());
    const first = await page("?limit=4");
    const second = await page(`?limit=4&after=${first.nextCursor ?? ""}`);
    expect([...first.data, ...second.data]).toEqual(entries);
    expect(second.nextCursor).toBeNull();
    expect((await world.request("/admin/audit")).status).toBe(403);
    for (const query of ["?limit=0", "?limit=1001", "?limit=x", "?after=-1", "/verify?head=abc"])
      expect((await admin("GET", `audit${query}`)).status, query).toBe(400);
  });

  test("shows what was changed behind it", async () => {
    for (let index = 0; index < 3; index++) await admin("POST", "members/ada/enable");
    const verify = async (query = "") =>
      auditVerificationSchema.parse(await (await admin("GET", `audit/verify${query}`)).json());
    const whole = await verify();
    expect(whole).toMatchObject({ entries: 6, findings: [], unanswered: [], head: { seq: 6 } });
    const head = `?head=${whole.head?.hash ?? ""}`;
    const [removed] = entries.splice(5, 1);
    expect((await verify()).findings).toEqual([]);
    expect(await verify(head)).toMatchObject({ findings: [{ kind: "head-missing" }], unanswered: [5] });
    if (removed) entries.push({ ...removed, actor: "mem_eve" });
    expect((await verify(head)).findings).toEqual([{ kind: "altered", seq: 6 }]);
  });

  test("comes first: where it cannot be written, nothing is done", async () => {
    const away = createAuditTrail({
      log: {
        ...createMemoryAuditLog(),
        append: async () =>
          Promise.reject(new OperationalError("store-unavailable", "away", { retriable: true })),
      },
      key: randomBytes(32),
      clock: createManualClock(),
    });
    world = await createWorld({ replace: () => ({ audit: away }) });
    expect((await admin("POST", "members/ada/disable")).status).toBe(503);
    expect((await world.deps.members.member(asMemberId("mem_ada")))?.disabledAtMs).toBeNull();
  });

  test("takes the acts of several servers at once, each in its place", async () => {
    const trails = [audited(), audited(), audited()];
    const act = {
      actor: "server",
      key: null,
      act: "keys.create",
      target: null,
      of: null,
      detail: "{}",
    } as const;
    await Promise.all(
      Array.from({ length: 30 }, async (_, index) => trails[index % 3]?.record({ ...act, phase: "asked" })),
    );
    expect(entries.map(({ seq }) => seq)).toEqual(Array.from({ length: 30 }, (_, index) => index + 1));
    expect((await audited().verify(null)).findings).toEqual([]);
  });
});

test("every route of operators that changes something has a name in the audit log, and the other way round", () => {
  const changing = world.app.routes
    .filter(({ method, path }) => path.startsWith("/admin/") && method !== "ALL" && !onlyReads(method))
    .map(({ method, path }) => `${method} ${path}`);
  expect(changing.length).toBeGreaterThan(5);
  expect(new Set(changing)).toEqual(new Set(ACTS.keys()));
});

test("a request is kept as fields, numbers and the co-op's own words", () => {
  expect(
    discreet({
      name: "Maja",
      role: "operator",
      limits: { tokensPerMonth: { kind: "tokens", tokens: 5 }, jobsAtOnce: null },
      month: "2026-11",
      "maja@example.org": 1,
      list: ["own", "Maja", true],
    }),
  ).toEqual({
    name: "(text)",
    role: "operator",
    limits: { tokensPerMonth: { kind: "tokens", tokens: 5 }, jobsAtOnce: null },
    month: "2026-11",
    list: ["own", "(text)", true],
  });
  const deep = { a: { b: { c: { d: { e: "Maja" } } } } };
  expect(JSON.stringify(discreet(deep))).not.toContain("Maja");
});
