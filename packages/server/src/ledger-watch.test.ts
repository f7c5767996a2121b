import { asMemberId, OperationalError } from "@coop/core";
import type { LedgerReader, Log } from "@coop/core";
import { createMetrics } from "@coop/metrics";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { watchLedger } from "./ledger-watch.ts";

const NOON_MS = Date.UTC(2026, 10, 20, 12);
const HOUR_MS = 3_600_000;
const ada = asMemberId("mem_ada");

/** Books of one member whose ledger says 100 tokens of November. */
const books = (accountTokens: number): LedgerReader => {
  const members = [{ member: ada, month: "2026-11", usedTokens: 100, creditTokens: 0 }];
  const sums = { lines: 1, last: "1-0", members, nodes: [], unbalanced: [] };
  const none = { lines: 0, last: null, members: [], nodes: [], unbalanced: [] };
  return {
    page: async () => [],
    sums: async (after) => (after === null ? sums : none),
    balances: async () => ({
      sums: none,
      accounts: [
        { kind: "member", member: ada, month: "2026-11", usedTokens: accountTokens, creditTokens: 0 },
      ],
      nodeAccountKeptMs: 0,
    }),
    rolledUp: async (asked) =>
      asked.map((account) => ({
        ...account,
        usedTokens: accountTokens,
        chargedTokens: accountTokens,
        wrongSums: 0,
      })),
  };
};

let lines: string[];
let stop = (): void => undefined;
const metrics = createMetrics();
const shown = async (name: string): Promise<number> =>
  Number(new RegExp(`^${name} (\\S+)$`, "m").exec(await metrics.render())?.[1]);

beforeEach(() => {
  vi.useFakeTimers({ now: NOON_MS });
  lines = [];
});
afterEach(() => {
  stop();
  vi.useRealTimers();
});

function watch(ledger: LedgerReader): void {
  const at =
    (level: string): Log["info"] =>
    (_, message) =>
      void lines.push(`${level} ${message}`);
  const log: Log = { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
  stop = watchLedger({ ledger, clock: { now: Date.now }, log, metrics });
}

test("the ledger is checked at the start and a day later, and a drift is found then", async () => {
  let accountTokens = 100;
  const ledger = books(100);
  watch({ ...ledger, balances: (after) => books(accountTokens).balances(after) });
  await vi.advanceTimersByTimeAsync(0);
  expect(lines).toEqual(["info the ledger and the accounts agree"]);
  expect(await shown("coop_ledger_findings")).toBe(0);
  expect(await shown("coop_ledger_checked_timestamp_seconds")).toBe(NOON_MS / 1000);

  accountTokens = 90;
  await vi.advanceTimersByTimeAsync(23 * HOUR_MS);
  expect(lines).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(HOUR_MS);
  expect(lines[1]).toMatch(/^error .* do not agree: run `coop ledger verify`/);
  expect(await shown("coop_ledger_findings")).toBe(1);
});

test("a check that the store cuts short is tried again, until the server stops", async () => {
  const away = new OperationalError("store-unavailable", "Redis does not answer", { retriable: true });
  let asked = 0;
  watch({
    ...books(100),
    sums: () => {
      asked += 1;
      return Promise.reject(away);
    },
  });
  await vi.advanceTimersByTimeAsync(0);
  expect(lines).toEqual(["warn the ledger could not be checked to its end"]);
  await vi.advanceTimersByTimeAsync(HOUR_MS);
  expect(asked).toBe(7);
  stop();
  await vi.advanceTimersByTimeAsync(HOUR_MS);
  expect(asked).toBe(7);
});
