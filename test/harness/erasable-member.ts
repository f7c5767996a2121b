import { deepEqual, equal } from "node:assert/strict";
import { asJobId, asMemberId, asNodeId, DEFAULT_LIMITS } from "@coop/core";
import type {
  AttemptStore,
  FleetBoard,
  JobDesk,
  Member,
  MemberId,
  MemberStore,
  NodeRegistry,
  Placement,
} from "@coop/core";
import { buildNodeView } from "@coop/core/testing";
import { admission, frame, leaseOf, noonMs, success } from "./job-requests.ts";

/** Stands in everything of a member that a person chose or wrote. */
export const CANARY = "canary-9d41c0";

export const maja = asMemberId("mem_maja");
export const ben = asMemberId("mem_ben");
export const olga = asMemberId("mem_olga");
export const majasNode = asNodeId("node_maja");
export const bensNode = asNodeId("node_ben");

/** Of Maja: one that succeeded, one that failed, one on a node, one that waits. Of Ben: one on Maja's node. */
export const MAJAS_JOBS = ["job_1", "job_2", "job_3", "job_4"].map(asJobId);
export const BENS_JOB = asJobId("job_5");

interface Ports {
  readonly members: MemberStore;
  readonly nodes: NodeRegistry;
  readonly board: FleetBoard;
  readonly desk: JobDesk;
  readonly attempts: AttemptStore;
}

const member = (id: MemberId, name: string, role: Member["role"] = "member"): Member => ({
  id,
  name,
  role,
  limits: DEFAULT_LIMITS,
  weight: 1,
  defaultTier: "edge",
  createdAtMs: noonMs,
  disabledAtMs: null,
});

/** Fills stores with a member who left traces wherever a member can. The leader's fence is `fence`. */
export async function leaveTraces(ports: Ports, fence: number): Promise<void> {
  const { members, nodes, board } = ports;
  await members.addMember(member(olga, "olga", "operator"));
  await members.addMember(member(maja, CANARY));
  await members.addMember(member(ben, "ben"));
  for (const [id, owner] of [
    ["majakey1", maja],
    ["benkey01", ben],
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
  for (const [id, owner, name] of [
    [majasNode, maja, `${CANARY}/studio`],
    [bensNode, ben, "pi"],
  ] as const) {
    // Redis forgets a token by its own clock.
    const expiresAtMs = Date.now() + 3_600_000;
    await nodes.addJoinToken({ id: `token-${owner}`, digest: "d", member: owner, expiresAtMs });
    await nodes.addJoinToken({ id: `spare-${owner}`, digest: "d", member: owner, expiresAtMs });
    const joined = await nodes.redeem(`token-${owner}`, "d", { id, name, publicKey: "k" }, noonMs);
    equal(joined.kind, "joined");
  }
  const view = buildNodeView();
  await board.publish(fence, {
    atMs: noonMs,
    pendingJobs: 0,
    nodes: [{ ...view, identity: { id: majasNode, name: `${CANARY}/studio`, owner: maja } }],
  });
  await runJobs(ports, fence);
}

async function runJobs({ desk, attempts }: Ports, fence: number): Promise<void> {
  const [succeeded, failed, running, queued] = MAJAS_JOBS;
  for (const id of [...MAJAS_JOBS, BENS_JOB]) {
    const isMajas = id !== BENS_JOB;
    const request = admission(
      {
        payload: JSON.stringify({ messages: isMajas ? `${CANARY} of ${id}` : "of Ben" }),
        metadata: isMajas ? { note: CANARY } : { note: "Ben's" },
        idempotency: isMajas ? { key: `${CANARY}-${id}`, bodyHash: "h" } : { key: "bens", bodyHash: "h" },
        key: isMajas ? "majakey1" : "benkey01",
      },
      { id, member: isMajas ? maja : ben, session: isMajas ? CANARY : "bens", streamed: id === failed },
    );
    equal((await desk.admit(request)).kind, "admitted");
    if (id === queued) continue;
    const node = isMajas ? bensNode : majasNode;
    const nodeName = isMajas ? "pi" : `${CANARY}/studio`;
    const place = { node, nodeName, model: "llama3.2:3b", tier: "edge" } as const;
    const placement: Placement = {
      atMs: noonMs,
      decision: { kind: "assigned", ...place },
      nodes: [{ node, nodeName, simulated: false, options: [] }],
    };
    const lease = leaseOf({ fence, job: id, nodeOwner: isMajas ? ben : maja, placement, ...place });
    equal((await attempts.lease(lease)).kind, "leased");
    const said = frame(1, { fence, job: id, deltas: [{ kind: "content", text: `${CANARY} said` }] });
    deepEqual(await attempts.append(said), { kind: "appended" });
    const end =
      id === failed
        ? ({
            kind: "failed",
            code: "model-output",
            message: `cannot read ${CANARY}`,
            usage: { promptTokens: 3, outputTokens: 5 },
          } as const)
        : success(30, 5);
    if (id === succeeded || id === failed || id === BENS_JOB)
      equal((await attempts.finish(fence, id, 1, end, noonMs)).kind, "finished");
    else equal(id, running);
  }
}
