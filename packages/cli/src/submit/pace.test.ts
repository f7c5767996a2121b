import { describe, expect, it, vi } from "vitest";
import { CliError } from "../cli-error.ts";
import { RefusedError } from "../client.ts";
import { problem } from "../testing/scripted-coop.ts";
import { createPace } from "./pace.ts";
import type { Pace } from "./pace.ts";

const refused = (status: number, headers: Readonly<Record<string, string>> = {}): RefusedError =>
  new RefusedError("refused", `status ${status}`, new Response(null, { status, headers }), problem("no"));
const away = (): CliError => new CliError("server-not-reachable", "away");

interface Bench {
  readonly pace: Pace;
  readonly waits: number[];
  nowMs: number;
}

/** Time passes only in waits. */
function bench(): Bench {
  const waits: number[] = [];
  const made: Bench = {
    waits,
    nowMs: 0,
    pace: createPace({
      nowMs: () => made.nowMs,
      pause: async (ms) => {
        await Promise.resolve();
        made.nowMs += ms;
      },
      onTrouble: (_, waitMs) => void waits.push(waitMs),
    }),
  };
  return made;
}

/** Waits end when the test says. */
function gated(): { readonly pace: Pace; readonly pauses: readonly PromiseWithResolvers<void>[] } {
  const pauses: PromiseWithResolvers<void>[] = [];
  const pause = (): Promise<void> => {
    const gate = Promise.withResolvers<void>();
    pauses.push(gate);
    return gate.promise;
  };
  return { pace: createPace({ nowMs: () => 0, pause, onTrouble: () => undefined }), pauses };
}

/** Fails with these, then answers. */
function failing(...errors: readonly Error[]): () => Promise<string> {
  const left = [...errors];
  return () => {
    const error = left.shift();
    return error === undefined ? Promise.resolve("answer") : Promise.reject(error);
  };
}

describe("a pace", () => {
  it("waits as long as it is asked to", async () => {
    const { pace, waits } = bench();
    expect(await pace.run(failing(refused(429, { "retry-after": "7" }), refused(503)))).toBe("answer");
    expect(waits).toEqual([7_000, 1_000]);
  });

  it("waits longer each time, up to half a minute, and begins anew after an answer", async () => {
    const { pace, waits } = bench();
    await pace.run(failing(...Array.from({ length: 9 }, away)));
    expect(waits).toEqual([500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
    await pace.run(failing(away()));
    expect(waits.at(-1)).toBe(500);
  });

  it.each([
    ["a bad request", refused(400)],
    ["a fault of the server", refused(500)],
    ["a quota that is spent", refused(429, { "retry-after": "86400", "x-should-retry": "false" })],
    ["a bug", new TypeError("bug")],
  ])("passes %s on at once", async (_, error) => {
    const { pace, waits } = bench();
    await expect(pace.run(failing(error))).rejects.toBe(error);
    expect(waits).toEqual([]);
  });

  it("sends one request at a time while there is trouble, and counts what failed together once", async () => {
    const { pace, waits } = bench();
    let open = 0;
    let most = 0;
    let sent = 0;
    const request = async (): Promise<string> => {
      sent += 1;
      if (sent <= 20) throw refused(503);
      open += 1;
      most = Math.max(most, sent <= 23 ? open : 0);
      await Promise.resolve();
      open -= 1;
      if (sent <= 22) throw refused(503);
      return "answer";
    };
    const all = await Promise.all(Array.from({ length: 20 }, () => pace.run(request)));
    expect(new Set(all)).toEqual(new Set(["answer"]));
    expect(most).toBe(1);
    expect(waits).toEqual([500, 1_000, 2_000]);
  });

  it("does not take an answer to an older request for the end of the trouble", async () => {
    const { pace, pauses } = gated();
    const slow = Promise.withResolvers<string>();
    const old = pace.run(() => slow.promise);
    const first = pace.run(failing(refused(429)));
    await vi.waitUntil(() => pauses.length === 1);
    slow.resolve("late");
    expect(await old).toBe("late");
    let sent = false;
    const next = pace.run(() => {
      sent = true;
      return Promise.resolve("answer");
    });
    await Promise.resolve();
    expect(sent).toBe(false);
    pauses[0]?.resolve();
    expect(await Promise.all([first, next])).toEqual(["answer", "answer"]);
  });

  it("gives up a server that stays away, with its last words, but waits for one that is busy", async () => {
    const { pace, waits } = bench();
    await expect(pace.run(failing(...Array.from({ length: 1_000 }, away)))).rejects.toThrow("away");
    expect(waits.reduce((sum, wait) => sum + wait, 0)).toBeGreaterThan(600_000);
    const busy = bench();
    const hours = Array.from({ length: 100 }, () => refused(429, { "retry-after": "60" }));
    expect(await busy.pace.run(failing(...hours))).toBe("answer");
  });

  it("lets the others on when the one that waits is given up", async () => {
    const { pace, pauses } = gated();
    const first = pace.run(failing(away()));
    await vi.waitUntil(() => pauses.length === 1);
    const second = pace.run(() => Promise.resolve("answer"));
    pauses[0]?.reject(new Error("enough"));
    await expect(first).rejects.toThrow("enough");
    await vi.waitUntil(() => pauses.length === 2);
    pauses[1]?.resolve();
    expect(await second).toBe("answer");
  });
});
