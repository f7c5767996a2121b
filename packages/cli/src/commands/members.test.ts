import { describe, expect, it } from "vitest";
import { createClient } from "../client.ts";
import { hintsFor } from "../invocation.ts";
import { moment } from "../output.ts";
import { buildMemberRow, buildMemberView, buildQuota } from "../testing/builders.ts";
import { captureOutput } from "../testing/captured-output.ts";
import { problem, startScriptedCoop } from "../testing/scripted-coop.ts";
import type { Reply } from "../testing/scripted-coop.ts";
import type { CommandContext } from "./context.ts";
import { createKey, listKeys, revokeKey, rotateKey } from "./keys.ts";
import { addMember, listMembers, setDisabled, setMember, showMember } from "./members.ts";

const AT_MS = Date.UTC(2026, 2, 1, 12);
const at = moment(AT_MS);
const asJson = (json: unknown): Reply => ({ status: 200, json });
const key = {
  id: "k1",
  prefix: "coop_k1_",
  defaultPrivacy: "own",
  createdAtMs: AT_MS,
  expiresAtMs: null,
  lastUsedAtMs: AT_MS,
  revokedAtMs: null,
};
const keys = { object: "list", data: [key, { ...key, id: "k2", prefix: "coop_k2_", lastUsedAtMs: null }] };

/** Runs a command against a server that knows these answers. */
async function run(
  replies: Readonly<Record<string, Reply>>,
  command: (context: CommandContext) => Promise<void>,
) {
  await using coop = await startScriptedCoop(
    (route) => replies[route] ?? { status: 404, json: problem(`no ${route}`) },
  );
  const output = captureOutput();
  const source = { key: "coop_a_b", place: "a test" };
  const hint = hintsFor({});
  const client = createClient({ url: coop.url, source, hint, signal: new AbortController().signal });
  await command({ client, output, json: false, hint });
  return { lines: output.stdout().trimEnd().split("\n"), notes: output.stderr(), requests: coop.requests };
}

describe("members", () => {
  it("lists their quota, what they used of it, and who is disabled since when", async () => {
    const data = [
      buildMemberRow({ usedTokens: 250_000, heldTokens: 50_000 }),
      buildMemberRow({
        id: "mem_bo",
        name: "bo",
        limitTokens: null,
        source: { kind: "unlimited", by: "operator" },
        usedTokens: 12,
        disabledAtMs: AT_MS,
      }),
      buildMemberRow({ id: "mem_cy", name: "cy", limitTokens: null, source: { kind: "capacity-unknown" } }),
      buildMemberRow({ id: "mem_di", name: "erased-mem_di", disabledAtMs: AT_MS, erasedAtMs: AT_MS }),
    ];
    const { lines } = await run(
      { "GET /admin/members": asJson({ object: "list", month: "2026-03", data }) },
      listMembers,
    );
    expect(lines).toEqual([
      "MEMBER         ID        ROLE              QUOTA  USED 2026-03                             DISABLED",
      "maja           mem_maja  member  share 1,000,000       250,000  █████▒░░░░░░░░░░░░░░ 30 %",
      `bo             mem_bo    member         no limit            12                             ${at}`,
      "cy             mem_cy    member    not yet known             0",
      `erased-mem_di  mem_di    member                              0                             erased ${at.slice(0, 10)}`,
    ]);
  });

  it("shows one with the month and the keys, never a secret", async () => {
    const detail = { ...buildMemberView(), quota: buildQuota({ usedTokens: 1_234 }) };
    const { lines } = await run(
      { "GET /admin/members/ma%20ja": asJson(detail), "GET /admin/members/mem_maja/keys": asJson(keys) },
      (context) => showMember(context, "ma ja"),
    );
    expect(lines[0]).toBe(`maja (mem_maja), member since ${at}, enabled`);
    expect(lines).toContain("all     1,234     0  1,000,000  1,000,000  █░░░░░░░░░░░░░░░░░░░ 0 %");
    expect(lines.at(-1)).toBe(`coop_k2_...  own      ${at}  never             never`);
  });

  it("sets what was said of one, and nothing else", async () => {
    const detail = { ...buildMemberView(), quota: buildQuota() };
    const { lines, requests } = await run({ "PATCH /admin/members/maja": asJson(detail) }, (context) =>
      setMember(context, "maja", {
        quota: { kind: "default" },
        tierQuota: { "local-large": 5, edge: null },
        jobsAtOnce: "default",
        weight: 2,
        tier: "edge",
        name: "maja2",
      }),
    );
    expect(JSON.parse(requests[0]?.body ?? "")).toEqual({
      name: "maja2",
      limits: {
        tokensPerMonth: { kind: "default" },
        tierTokensPerMonth: { "local-large": 5, edge: null },
        jobsAtOnce: null,
      },
      weight: 2,
      defaultTier: "edge",
    });
    expect(lines[0]).toContain("maja (mem_maja), 2026-03");
  });

  it("adds one with limits", async () => {
    const { requests } = await run(
      { "POST /admin/members": { status: 201, json: buildMemberView() } },
      (context) =>
        addMember(context, { name: "maja", operator: false, quota: { kind: "tokens", tokens: 5 } }),
    );
    expect(JSON.parse(requests[0]?.body ?? "")).toEqual({
      name: "maja",
      role: "member",
      limits: { tokensPerMonth: { kind: "tokens", tokens: 5 } },
    });
  });

  it("tells what disabling and enabling came to", async () => {
    const { lines, requests } = await run(
      { "POST /admin/members/maja/disable": asJson(buildMemberView({ disabledAtMs: AT_MS })) },
      (context) => setDisabled(context, "maja", true),
    );
    expect(lines).toEqual([`maja (mem_maja) is disabled since ${at}.`]);
    expect(requests).toHaveLength(1);
    const enabled = await run({ "POST /admin/members/maja/enable": asJson(buildMemberView()) }, (context) =>
      setDisabled(context, "maja", false),
    );
    expect(enabled.lines).toEqual(["maja (mem_maja) is enabled."]);
  });
});

describe("keys", () => {
  const created = { id: "k9", key: "coop_k9_secret", member: "mem_maja", expiresAtMs: AT_MS };

  it("prints a new key alone on stdout, and what to know beside it", async () => {
    const { lines, notes, requests } = await run(
      { "POST /admin/members/maja/keys": { status: 201, json: created } },
      (context) => createKey(context, "maja", { privacy: "own", expiresInSeconds: 60 }),
    );
    expect(lines).toEqual(["coop_k9_secret"]);
    expect(notes).toBe(`Shown once; whoever has it acts as this member.\nIt serves until ${at}.\n`);
    expect(JSON.parse(requests[0]?.body ?? "")).toEqual({ defaultPrivacy: "own", expiresInSeconds: 60 });
  });

  it("says of a rotation whether the old key serves on", async () => {
    const replies = { "POST /admin/keys/k1/rotate": { status: 201, json: created } };
    const atOnce = await run(replies, (context) => rotateKey(context, "k1", 0));
    expect(atOnce.notes).toContain("The key k1 no longer serves.");
    const later = await run(replies, (context) => rotateKey(context, "k1", 3_600));
    expect(later.notes).not.toContain("no longer serves");
    expect(JSON.parse(later.requests[0]?.body ?? "")).toEqual({ overlapSeconds: 3_600 });
    expect(later.lines).toEqual(["coop_k9_secret"]);
  });

  it("lists them by prefix with their last use", async () => {
    const { lines } = await run({ "GET /admin/members/maja/keys": asJson(keys) }, (context) =>
      listKeys(context, "maja"),
    );
    expect(lines[1]).toBe(`coop_k1_...  own      ${at}  ${at}  never`);
  });

  it("says what to do when a member has none", async () => {
    const none = asJson({ object: "list", data: [] });
    const { lines } = await run({ "GET /admin/members/maja/keys": none }, (context) =>
      listKeys(context, "maja"),
    );
    expect(lines).toEqual(["There is no key yet; coop keys create makes one."]);
  });

  it.each(["k1", "coop_k1", "coop_k1_...", "coop_k1_secret"])("knows %s for the key k1", async (named) => {
    const revoked = await run({ "DELETE /admin/keys/k1": { status: 204, json: null } }, (context) =>
      revokeKey(context, named),
    );
    expect(revoked.lines).toEqual(["The key k1 no longer serves."]);
    const rotated = await run({ "POST /admin/keys/k1/rotate": { status: 201, json: created } }, (context) =>
      rotateKey(context, named, 0),
    );
    expect(rotated.lines).toEqual(["coop_k9_secret"]);
  });
});
