import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { QuotaSettings } from "../settings.ts";
import { DEFAULT_LIMITS, effectiveLimits, fleetCapacity, followsShare, limitWithCredit } from "./quota.ts";
import type { MemberLimits } from "./quota.ts";

const shared = (shareOfCapacity = 1): QuotaSettings => ({
  tokensPerMonth: { kind: "equal-share", shareOfCapacity },
  tierTokensPerMonth: {},
  jobsAtOnce: null,
  requestsPerMinute: null,
});
const tokensOf = (tokens: number): MemberLimits => ({
  ...DEFAULT_LIMITS,
  tokensPerMonth: { kind: "tokens", tokens },
});
const capacities = fc.integer({ min: 1, max: 2e9 });

describe("an equal share", () => {
  it("is what the fleet can make, times the share of it, by the members", () => {
    const { floorTokens, source } = effectiveLimits(DEFAULT_LIMITS, shared(0.5), {
      capacityTokens: 1_000_001,
      members: 4,
    });
    expect(floorTokens).toBe(125_000);
    expect(source).toEqual({
      kind: "equal-share",
      capacityTokens: 1_000_001,
      shareOfCapacity: 0.5,
      members: 4,
    });
  });

  it("is the same for everyone, and all of them together fit what the fleet gives", () => {
    fc.assert(
      fc.property(
        capacities,
        fc.double({ min: 0.01, max: 1, noNaN: true }),
        fc.integer({ min: 1, max: 500 }),
        (capacityTokens, shareOfCapacity, members) => {
          const floors = Array.from(
            { length: members },
            () =>
              effectiveLimits(DEFAULT_LIMITS, shared(shareOfCapacity), { capacityTokens, members })
                .floorTokens,
          );
          expect(new Set(floors).size).toBe(1);
          const given = floors.reduce<number>((sum, tokens) => sum + (tokens ?? Infinity), 0);
          expect(given).toBeLessThanOrEqual(capacityTokens * shareOfCapacity);
          expect(given).toBeGreaterThan(capacityTokens * shareOfCapacity - members - 1e-3);
        },
      ),
    );
  });

  it("is no limit while nobody knows what the fleet can make, and says so", () => {
    const { floorTokens, source } = effectiveLimits(DEFAULT_LIMITS, shared(), {
      capacityTokens: null,
      members: 3,
    });
    expect(floorTokens).toBeNull();
    expect(source).toEqual({ kind: "capacity-unknown" });
  });

  it("leaves a member alone whose limit somebody set", () => {
    const share = { capacityTokens: 900, members: 3 };
    expect(effectiveLimits(tokensOf(7), shared(), share)).toMatchObject({
      floorTokens: 7,
      source: { kind: "set", by: "operator" },
    });
    const coopWide = { ...shared(), tokensPerMonth: { kind: "tokens", tokens: 40 } } as const;
    expect(effectiveLimits(DEFAULT_LIMITS, coopWide, share)).toMatchObject({
      floorTokens: 40,
      source: { kind: "set", by: "co-op" },
    });
    const unlimited = { ...DEFAULT_LIMITS, tokensPerMonth: { kind: "unlimited" } } as const;
    expect(effectiveLimits(unlimited, coopWide, share)).toMatchObject({
      floorTokens: null,
      source: { kind: "unlimited", by: "operator" },
    });
    expect(followsShare(DEFAULT_LIMITS, shared())).toBe(true);
    expect(followsShare(tokensOf(7), shared())).toBe(false);
    expect(followsShare(DEFAULT_LIMITS, coopWide)).toBe(false);
  });
});

describe("credit", () => {
  it("raises who earned it by just that, and never lowers another's floor or limit", () => {
    const credits = fc.array(fc.nat(1e9), { minLength: 2, maxLength: 20 });
    fc.assert(
      fc.property(capacities, credits, fc.nat(), fc.nat(1e9), (capacityTokens, before, pick, earned) => {
        const share = { capacityTokens, members: before.length };
        const earner = pick % before.length;
        const after = before.map((credit, member) => credit + (member === earner ? earned : 0));
        const limitsWith = (credit: readonly number[]): readonly number[] =>
          credit.map((tokens) => {
            const { floorTokens } = effectiveLimits(DEFAULT_LIMITS, shared(), share);
            return limitWithCredit(floorTokens, tokens) ?? Infinity;
          });
        const [earlier, later] = [limitsWith(before), limitsWith(after)];
        later.forEach((limit, member) =>
          expect(limit - (earlier[member] ?? Number.NaN)).toBe(member === earner ? earned : 0),
        );
        const floor = Math.floor(capacityTokens / before.length);
        for (const limit of later) expect(limit).toBeGreaterThanOrEqual(floor);
      }),
    );
  });

  it("changes nothing where there is no limit, and what is taken back leaves none below zero", () => {
    expect(limitWithCredit(null, 10)).toBeNull();
    expect(limitWithCredit(100, -30)).toBe(70);
    expect(limitWithCredit(100, -130)).toBe(0);
  });
});

describe("the other limits", () => {
  const coop: QuotaSettings = {
    tokensPerMonth: { kind: "unlimited" },
    tierTokensPerMonth: { edge: 10, "local-large": 20 },
    jobsAtOnce: 5,
    requestsPerMinute: 60,
  };
  const share = { capacityTokens: null, members: 1 };

  it("are the co-op's unless the member has their own", () => {
    expect(effectiveLimits(DEFAULT_LIMITS, coop, share)).toEqual({
      floorTokens: null,
      source: { kind: "unlimited", by: "co-op" },
      tierCaps: { edge: { tokens: 10, by: "co-op" }, "local-large": { tokens: 20, by: "co-op" } },
      jobsAtOnce: 5,
      requestsPerMinute: 60,
    });
  });

  it("may lift a tier's cap for one member, and set another", () => {
    const own: MemberLimits = {
      ...DEFAULT_LIMITS,
      tierTokensPerMonth: { edge: null, "local-small": 0 },
      jobsAtOnce: 1,
      requestsPerMinute: 2,
    };
    expect(effectiveLimits(own, coop, share)).toMatchObject({ jobsAtOnce: 1, requestsPerMinute: 2 });
    expect(effectiveLimits(own, coop, share).tierCaps).toEqual({
      "local-small": { tokens: 0, by: "operator" },
      "local-large": { tokens: 20, by: "co-op" },
    });
  });
});

describe("what the fleet can make", () => {
  const node = (tokensPerMonth: number | null, revokedAtMs: number | null = null) => ({
    revokedAtMs,
    offer: tokensPerMonth === null ? null : { tokensPerMonth },
  });

  it("is the sum over nodes that may connect", () => {
    expect(fleetCapacity([node(5), node(null), node(7), node(100, 1)])).toBe(12);
  });

  it("is unknown where no node ever said anything", () => {
    for (const nodes of [[], [node(null)], [node(null, 1)]]) expect(fleetCapacity(nodes)).toBeNull();
  });

  it("is nothing once all that offered any were revoked or offer nothing: that lifts nobody's limit", () => {
    for (const nodes of [[node(0)], [node(9, 1)], [node(9, 1), node(null)]]) {
      expect(fleetCapacity(nodes)).toBe(0);
      const share = { capacityTokens: fleetCapacity(nodes), members: 2 };
      expect(effectiveLimits(DEFAULT_LIMITS, shared(), share)).toMatchObject({
        floorTokens: 0,
        source: { kind: "equal-share", capacityTokens: 0 },
      });
    }
  });
});
