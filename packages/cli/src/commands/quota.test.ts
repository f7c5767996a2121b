import type { QuotaView } from "@coop/protocol";
import { describe, expect, it } from "vitest";
import { createClient } from "../client.ts";
import { hintsFor } from "../invocation.ts";
import { buildMemberView, buildQuota } from "../testing/builders.ts";
import { captureOutput } from "../testing/captured-output.ts";
import { problem, startScriptedCoop } from "../testing/scripted-coop.ts";
import type { Reply } from "../testing/scripted-coop.ts";
import type { CommandContext } from "./context.ts";
import { refundJob } from "./ledger.ts";
import { grantCredit, quotaLines, showQuota } from "./quota.ts";

/** Runs a command against a server that knows these answers. */
async function run(
  replies: Readonly<Record<string, Reply>>,
  command: (context: CommandContext) => Promise<void>,
  json = false,
) {
  await using coop = await startScriptedCoop(
    (route) => replies[route] ?? { status: 404, json: problem(`no ${route}`) },
  );
  const output = captureOutput();
  const source = { key: "coop_a_b", place: "a test" };
  const hint = hintsFor({});
  const client = createClient({ url: coop.url, source, hint, signal: new AbortController().signal });
  await command({ client, output, json, hint });
  return { text: output.stdout(), requests: coop.requests };
}

const used: Partial<QuotaView> = {
  limitTokens: 1_200_000,
  creditTokens: 200_000,
  usedTokens: 600_000,
  heldTokens: 60_000,
  leftTokens: 540_000,
  tiers: [
    {
      tier: "edge",
      limitTokens: null,
      by: null,
      usedTokens: 100_000,
      heldTokens: 0,
      leftTokens: null,
    },
    {
      tier: "local-large",
      limitTokens: 500_000,
      by: "operator",
      usedTokens: 500_000,
      heldTokens: 0,
      leftTokens: 0,
    },
  ],
  jobsAtOnce: { limit: 4, unfinished: 1 },
  requestsPerMinute: 60,
  weight: 2,
};

describe("quota", () => {
  it("shows what is used and left by tier, and where the limit comes from", () => {
    expect(quotaLines(buildQuota(used))).toEqual([
      `maja (mem_maja), 2026-03; the next month begins 2026-04-01 00:00 (Europe/Stockholm)`,
      "",
      "TOKENS          USED    HELD      LEFT      LIMIT",
      "all          600,000  60,000   540,000  1,200,000  ██████████▒░░░░░░░░░ 55 %",
      "edge         100,000       0  no limit   no limit",
      "local-large  500,000       0         0    500,000  ████████████████████ 100 %",
      "",
      "Limit: 1,000,000, an equal share of the 3,000,000 that the fleet can make, by 3 members; and 200,000 of credit.",
      "Jobs at once: 1 of 4. Requests a minute: 60.",
      "Weight in the fair order: 2. coop/auto means local-small.",
    ]);
  });

  it.each<[Partial<QuotaView>, string]>([
    [
      { source: { kind: "equal-share", capacityTokens: 4_000_000, shareOfCapacity: 0.5, members: 1 } },
      "1,000,000, an equal share of 50 % of the 4,000,000 that the fleet can make, by 1 member; no credit",
    ],
    [
      {
        floorTokens: 0,
        source: { kind: "equal-share", capacityTokens: 0, shareOfCapacity: 0.5, members: 2 },
      },
      "0, an equal share of nothing: every machine that offered tokens was revoked or offers none now; no credit",
    ],
    [
      { source: { kind: "set", by: "operator" }, creditTokens: -5 },
      "1,000,000, set by an operator; less 5 taken back",
    ],
    [{ source: { kind: "set", by: "co-op" } }, "1,000,000, the co-op's default; no credit"],
    [
      { floorTokens: null, limitTokens: null, source: { kind: "capacity-unknown" } },
      "none until a node has said what it can make, then an equal share of that; no credit",
    ],
    [
      { floorTokens: null, limitTokens: null, source: { kind: "unlimited", by: "co-op" } },
      "none, as the co-op decided for all; no credit",
    ],
  ])("says in words: %j", (changes, words) => {
    expect(quotaLines(buildQuota(changes))).toContain(`Limit: ${words}.`);
  });

  it("asks for the caller's own, or as an operator for another's", async () => {
    const own = await run({ "GET /v1/quota": { status: 200, json: buildQuota() } }, async (context) =>
      showQuota(context, null),
    );
    expect(own.text).toContain("maja (mem_maja)");
    const detail = { ...buildMemberView(), quota: buildQuota(used) };
    const other = await run(
      { "GET /admin/members/maja": { status: 200, json: detail } },
      async (context) => showQuota(context, "maja"),
      true,
    );
    expect(JSON.parse(other.text)).toEqual(buildQuota(used));
    const gone = { ...detail, name: "erased-m_maja", erasedAtMs: 1 };
    const erased = await run(
      { "GET /admin/members/mem_maja": { status: 200, json: gone } },
      async (context) => showQuota(context, "mem_maja"),
    );
    expect(erased.text).toMatch(/^erased-m_maja \(mem_maja\) was erased .* and has no quota\.\n$/);
  });

  it("grants, and says what the month's credit is then", async () => {
    const granted = {
      object: "coop.grant",
      member: "mem_maja",
      memberName: "maja",
      month: "2026-04",
      tokens: -500,
      repeated: false,
      creditTokens: 1_500,
    };
    const { text, requests } = await run(
      { "POST /admin/members/maja/grants": { status: 201, json: granted } },
      async (context) => grantCredit(context, { member: "maja", tokens: -500, month: "2026-04" }),
    );
    expect(JSON.parse(requests[0]?.body ?? "")).toEqual({ tokens: -500, month: "2026-04" });
    expect(text).toBe("500 tokens were taken back from maja for 2026-04: the month's credit is 1,500 now.\n");
    expect(requests[0]?.headers["idempotency-key"]).toMatch(/^[\w-]{36}$/);
    const one = await run(
      { "POST /admin/members/maja/grants": { status: 201, json: { ...granted, tokens: 1 } } },
      async (context) => grantCredit(context, { member: "maja", tokens: 1, month: null }),
    );
    expect(one.text).toMatch(/^1 token was granted to maja/);
  });
});

it("a refund says what was given back, or that nothing was", async () => {
  const refund = (tokens: number, repeated: boolean) => ({
    "POST /admin/jobs/job_1/refund": {
      status: 200,
      json: { object: "coop.refund", job: "job_1", tokens, repeated },
    },
  });
  const first = await run(refund(1_300, false), async (context) => refundJob(context, "job_1"));
  expect(first.text).toBe("job_1 cost 1,300 tokens; its member has that back.\n");
  const second = await run(refund(0, true), async (context) => refundJob(context, "job_1"));
  expect(second.text).toBe("job_1 was given back before; nothing changed.\n");
});
