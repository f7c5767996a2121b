import { describe, expect, it } from "vitest";
import { grantedTokens, quotaOption, tierQuotaOption } from "./limit-options.ts";

describe("tokens in a command line", () => {
  it.each([
    ["20000000", 20_000_000],
    ["20_000_000", 20_000_000],
    ["20M", 20_000_000],
    ["500k", 500_000],
    ["3G", 3_000_000_000],
    ["0", 0],
  ])("%s is %i", (text, tokens) => {
    expect(quotaOption(text)).toEqual({ kind: "tokens", tokens });
    expect(tierQuotaOption(`edge=${text}`)).toEqual({ edge: tokens });
  });

  it.each(["-5", "5m", "1.5M", "2_0", "1e6", "M", "9999999999G", ""])("%j is none", (text) => {
    expect(() => quotaOption(text)).toThrow(/whole number of tokens.*share or unlimited/);
    expect(() => tierQuotaOption(`edge=${text}`)).toThrow(/a tier and its tokens/);
  });

  it("are granted, and taken back", () => {
    expect(["500k", "+5", "-2M"].map(grantedTokens)).toEqual([500_000, 5, -2_000_000]);
    for (const text of ["0", "-0", "--5", "1.5"]) expect(() => grantedTokens(text)).toThrow(/takes back/);
  });
});
