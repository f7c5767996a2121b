import type { ReplayJob, ReplayMachine } from "@coop/protocol";
import { describe, expect, it } from "vitest";
import { createClient } from "../client.ts";
import { hintsFor } from "../invocation.ts";
import { runReplay } from "../replay-program.ts";
import { buildMemberRow } from "../testing/builders.ts";
import { captureOutput } from "../testing/captured-output.ts";
import { problem, startScriptedCoop } from "../testing/scripted-coop.ts";
import { whatIf, whatIfLines } from "./what-if.ts";
import type { WhatIf } from "./what-if.ts";

const NOON_MS = Date.UTC(2026, 2, 8, 12);
const DAY_MS = 86_400_000;
const figure = (value: number) => ({ value, basis: "measured" as const });

const machine = (name: string, profile: string, slots: number): ReplayMachine => ({
  name,
  owner: "mem_maja",
  profile,
  slots,
  modelMemoryBytes: 24e9,
  interference: 1,
  tokensPerDay: name === "pi" ? 500_000 : null,
  tokensPerMonth: null,
  models: [
    {
      name: "llama3.2:3b",
      tier: "edge",
      capabilities: ["completion"],
      contextTokens: 8_192,
      parameterCount: 3.2e9,
      residentBytes: 3e9,
      capacity: {
        fixedMsPerToken: figure(1),
        effectiveBytesPerSecond: figure(slots * 20e9),
        prefillTokensPerSecond: figure(slots * 200),
        batchFactor: figure(0.2),
        loadMs: figure(2_000),
        weightBytesPerToken: 2e9,
        kvBytesPerToken: 1e5,
      },
    },
  ],
});

const job = (member: string, index: number): ReplayJob => ({
  member,
  weight: 1,
  submittedAtMs: NOON_MS - DAY_MS + index * 5_000,
  endedAtMs: NOON_MS - DAY_MS + index * 5_000 + 4_000,
  outcome: "succeeded",
  endpoint: "chat",
  target: { kind: "tier", tier: "edge" },
  askedTier: "edge",
  privacy: "coop",
  needs: [],
  band: "interactive",
  promptTokens: 400,
  promptTokensMax: 600,
  maxOutputTokens: 512,
  outputTokens: 120,
});

const PAGES: Readonly<Record<string, readonly { jobs: readonly ReplayJob[]; next: string | null }[]>> = {
  mem_maja: [
    { jobs: [job("mem_maja", 0), job("mem_maja", 1)], next: "c1" },
    { jobs: [job("mem_maja", 2)], next: null },
  ],
  mem_ben: [{ jobs: [job("mem_ben", 0)], next: null }],
};

async function run(options: Partial<WhatIf>, json = false) {
  await using coop = await startScriptedCoop((route) => {
    const url = new URL(route.replace(/^GET /, ""), "http://coop");
    if (url.pathname === "/admin/replay/machines") {
      const machines = [machine("studio", "mac-studio-m4-max-128", 4), machine("pi", "raspberry-pi-5-8", 1)];
      return { status: 200, json: { object: "coop.replay-fleet", timeZone: "UTC", machines } };
    }
    if (url.pathname === "/admin/members") {
      const data = Object.keys(PAGES).map((id) => buildMemberRow({ id, name: id }));
      return { status: 200, json: { object: "list", month: "2026-03", data } };
    }
    if (url.pathname === "/admin/replay/jobs") {
      const pages = PAGES[url.searchParams.get("member") ?? ""] ?? [];
      const page = pages[url.searchParams.get("cursor") === null ? 0 : 1];
      return {
        status: 200,
        json: { object: "list", data: page?.jobs ?? [], nextCursor: page?.next ?? null },
      };
    }
    return { status: 404, json: problem(`no ${route}`) };
  });
  const output = captureOutput();
  const source = { key: "coop_a_b", place: "a test" };
  const { signal } = new AbortController();
  const client = createClient({ url: coop.url, source, hint: hintsFor({}), signal });
  const context = { client, output, json, hint: hintsFor({}) };
  const asked = { without: [], add: [], days: 7, ...options };
  await whatIf(context, asked, NOON_MS, (request) => runReplay(request, { environment: {}, signal }));
  return { text: output.stdout(), requests: coop.requests.map(({ path }) => path) };
}

describe("what if", () => {
  it("replays every page of every member since then, with the simulator as it is", async () => {
    const { text, requests } = await run({ without: ["studio"], days: 2 });
    expect(text).toMatch(
      /^4 jobs from .*, without studio\.\nBoth sides are simulated\. As it really was, a job took 4\.0 s/,
    );
    expect(text).toMatch(/^studio +4 +- /m);
    expect(text).toMatch(/^pi +0 +4 .* 0\.0 % +0\.4 %$/m);
    expect(text).toMatch(/^edge +4 +0\.00 s +\d+ s/m);
    const since = requests.filter((path) => path.includes(`sinceMs=${NOON_MS - 2 * DAY_MS}`));
    expect(since).toHaveLength(3);
  });

  it("adds machines of the catalogue, and answers programs in JSON", async () => {
    const { text } = await run({ add: [{ profile: "m4-pro", count: 2 }] }, true);
    const outcome: unknown = JSON.parse(text);
    expect(outcome).toMatchObject({
      object: "coop.replay",
      jobs: 4,
      after: {
        nodes: [
          { name: "studio" },
          { name: "pi" },
          { name: "added m4-pro-48 1" },
          { name: "added m4-pro-48 2" },
        ],
      },
    });
  });

  it("passes on what the simulator cannot do", async () => {
    await expect(run({ without: ["mac-mini"] })).rejects.toThrow(
      'The co-op has no machine "mac-mini". It has: studio, pi.',
    );
  });

  it("says which jobs nothing would serve any more, within 100 columns", () => {
    const tier = { tier: "local-large" as const, jobs: 1_234, unserved: 0, meanWaitS: 12.3, p95WaitS: 60 };
    const node = { jobs: 1_234, busyShare: 0.512, usedTokens: 12_345_678, spentShare: 0.98 };
    const before = {
      tiers: [{ ...tier, beyond: 0, meanLatencyS: 65, servedBy: { "local-large": 1_234 } }],
      nodes: [{ ...node, name: "a machine with quite a long name" }],
    };
    const gone = { ...tier, meanWaitS: null, p95WaitS: null, meanLatencyS: null };
    const after = { tiers: [{ ...gone, beyond: 1_234, servedBy: {} }], nodes: [] };
    const facts = {
      object: "coop.replay" as const,
      jobs: 1_234,
      leftOut: 2,
      fromMs: NOON_MS,
      untilMs: NOON_MS,
    };
    const lines = whatIfLines({ ...facts, measuredLatencyS: null, before, after }, ["studio"], []);
    expect(lines.join("\n")).toMatch(/local-large +1,234 +12 s +- +60 s +- +65 s +- +0 +1,234/);
    expect(lines.join("\n")).toMatch(/local-large +local-large 100 % +nothing/);
    expect(lines.join("\n")).toContain("2 jobs that failed or were cancelled are left out.");
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(110);
  });
});
