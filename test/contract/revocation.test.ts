import { asJobId, DEFAULT_LIMITS } from "@coop/core";
import type { AdmitRequest, JobSpec, Member, MemberId, Wake } from "@coop/core";
import { createManualClock } from "@coop/core/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ada, admission, ben, leaseOf, noonMs, studio } from "../harness/job-requests.ts";
import { contractStores, type ContractPorts, type ContractStore } from "./stores.ts";

const fence = 0;
const member = (id: MemberId): Member => ({
  id,
  name: id,
  role: "member",
  limits: DEFAULT_LIMITS,
  weight: 1,
  defaultTier: "edge",
  createdAtMs: noonMs,
  disabledAtMs: null,
});

/** Ada has the keys a1 and a2, Ben has b1. */
async function enrol({ members }: ContractPorts): Promise<void> {
  for (const id of [ada, ben]) await members.addMember(member(id));
  for (const [id, owner] of [
    ["a1", ada],
    ["a2", ada],
    ["b1", ben],
  ] as const) {
    await members.addKey({
      id,
      member: owner,
      digest: "d",
      defaultPrivacy: "coop",
      createdAtMs: noonMs,
      expiresAtMs: null,
      lastUsedAtMs: null,
      revokedAtMs: null,
    });
  }
}

const asked = (name: string, key: string, of: Partial<JobSpec> = {}): AdmitRequest =>
  admission(
    { key },
    { id: asJobId(`job_${name}`), member: key === "b1" ? ben : ada, attachment: "attached", ...of },
  );

const stateOf = async ({ desk }: ContractPorts, name: string): Promise<string | undefined> => {
  const state = (await desk.read(asJobId(`job_${name}`)))?.state;
  return state?.state === "cancelled" ? state.reason : state?.state;
};

describe.each(contractStores)("what was revoked, %s", (_, start) => {
  let store: ContractStore;
  beforeAll(async () => void (store = await start()));
  afterAll(async () => await store[Symbol.asyncDispose]());

  test("gets nothing in any more, whatever let the request begin", async () => {
    await using ports = await store.open(createManualClock());
    const { accounting, desk, members } = ports;
    await enrol(ports);
    const idempotency = { key: "again", bodyHash: "h" };
    const once = { ...asked("0", "a1", { attachment: "detached" }), idempotency };
    expect(await desk.admit(once)).toMatchObject({ kind: "admitted" });
    await members.revokeKey("a1", noonMs);
    await members.disableMember(ben, noonMs);
    const refused = { kind: "revoked" };
    expect(await desk.admit(asked("1", "a1"))).toEqual(refused);
    expect(await desk.admit({ ...asked("1", "a1"), idempotency })).toEqual(refused);
    expect(await desk.admit(asked("2", "b1", { attachment: "detached" }))).toEqual(refused);
    expect(await desk.admit(asked("3", "a2"))).toMatchObject({ kind: "admitted" });
    expect(await desk.read(asJobId("job_1"))).toBeNull();
    expect(await accounting.account(ben, "2026-03")).toMatchObject({ usedTokens: 0, heldTokens: 0 });
    await members.enableMember(ben);
    expect(await desk.admit(asked("4", "b1"))).toMatchObject({ kind: "admitted" });
  });

  test("loses its attached jobs, pending and running, and no others", async () => {
    await using ports = await store.open(createManualClock());
    const { accounting, desk, attempts, wakeUps } = ports;
    await enrol(ports);
    const wakes: Wake[] = [];
    const ending = new AbortController();
    const subscribed = Promise.withResolvers<void>();
    const listening = wakeUps.subscribe(
      (wake) => void (wake.kind === "cancelled" && wakes.push(wake)),
      subscribed.resolve,
      ending.signal,
    );
    await subscribed.promise;
    for (const request of [
      asked("pending", "a1"),
      asked("running", "a1"),
      asked("detached", "a1", { attachment: "detached" }),
      asked("other_key", "a2"),
      asked("other_member", "b1"),
    ])
      expect(await desk.admit(request)).toMatchObject({ kind: "admitted" });
    const running = asJobId("job_running");
    expect((await attempts.lease(leaseOf({ fence, job: running }))).kind).toBe("leased");
    expect(await attempts.accept(fence, running, 1)).toBe("running");

    expect(await desk.cancelAttached(ada, "a1", noonMs + 1)).toBe(2);
    expect(await stateOf(ports, "pending")).toBe("revoked");
    expect(await stateOf(ports, "running")).toBe("revoked");
    for (const name of ["detached", "other_key", "other_member"])
      expect(await stateOf(ports, name)).toBe("queued");
    await expect
      .poll(() => wakes)
      .toEqual(
        expect.arrayContaining([
          { kind: "cancelled", job: "job_pending", fenced: null },
          { kind: "cancelled", job: "job_running", fenced: { epoch: 1, node: studio } },
        ]),
      );

    expect(await desk.cancelAttached(ada, "a1", noonMs + 2)).toBe(0);
    expect(await desk.cancelAttached(ada, null, noonMs + 2)).toBe(1);
    expect(await stateOf(ports, "other_key")).toBe("revoked");
    expect(await stateOf(ports, "other_member")).toBe("queued");
    // The detached job's hold of 100 stays; of the others only the running one's prompt was charged.
    expect(await accounting.account(ada, "2026-03")).toMatchObject({ usedTokens: 30, heldTokens: 100 });
    ending.abort();
    await listening;
  });
});
