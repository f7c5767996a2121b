import type {
  AppendOutcome,
  AppendRequest,
  AttemptEnd,
  AttemptStore,
  Epoch,
  FinishOutcome,
  JobId,
  JobRecord,
  LeaseOutcome,
  LeaseRequest,
  NodeAccount,
  NodeId,
  RenewOutcome,
  RetryOutcome,
  RetryRequest,
  SweepOutcome,
  Usage,
} from "@coop/core";
import type { Projector } from "./deps.ts";
import type { Patience, PatienceDeps, Unavailable } from "./patience.ts";

type Unfenced<Outcome> = Exclude<Outcome, { kind: "fenced" } | "fenced"> | Unavailable;

/**
 * The attempt store under one fencing number.
 *
 * 1. A failing call is repeated with patience: each call of the store is idempotent, so repeating one whose
 *    answer was lost is safe.
 * 2. A fenced answer ends the term.
 */
export interface FencedStore {
  lease(request: Omit<LeaseRequest, "fence">): Promise<Unfenced<LeaseOutcome>>;
  accept(job: JobId, epoch: Epoch): Promise<{ readonly kind: "running" | "stale" } | Unavailable>;
  append(request: Omit<AppendRequest, "fence">): Promise<Unfenced<AppendOutcome>>;
  renew(leases: readonly { readonly job: JobId; readonly epoch: Epoch }[]): Promise<Unfenced<RenewOutcome>>;
  finish(job: JobId, epoch: Epoch, end: AttemptEnd): Promise<Unfenced<FinishOutcome>>;
  expire(request: Omit<RetryRequest, "fence" | "nowMs">): Promise<Unfenced<RetryOutcome>>;
  settleNode(
    node: NodeId,
    job: JobId,
    epoch: Epoch,
    usage: Usage,
  ): Promise<{ readonly kind: "settled" | "repeated" | "unknown" } | Unavailable>;
  settleAbsent(
    node: NodeId,
    named: readonly { readonly job: JobId; readonly epoch: Epoch }[],
  ): Promise<{ readonly kind: "settled" } | Unavailable>;
  sweep(amnesty: boolean): Promise<Unfenced<SweepOutcome>>;
  read(job: JobId): Promise<{ readonly kind: "read"; readonly record: JobRecord | null } | Unavailable>;
  /** Tokens that the node used and holds on a day, and in that day's month. */
  spent(node: NodeId, day: string): Promise<({ readonly kind: "read" } & NodeAccount) | Unavailable>;
}

export interface FencedStoreDeps extends Pick<PatienceDeps, "clock" | "timing"> {
  readonly attempts: AttemptStore;
  readonly patience: Patience;
  readonly fence: number;
  /** Called when the store says that another scheduler leads. */
  readonly onFenced: () => void;
  /** Called after a change that the queue's mirror is to follow. */
  readonly projector: Pick<Projector, "poke">;
}

const acceptOutcomes = {
  running: { kind: "running" },
  stale: { kind: "stale" },
  fenced: { kind: "fenced" },
} as const;

export function createFencedStore(deps: FencedStoreDeps): FencedStore {
  const { attempts, clock, fence, patience: call } = deps;

  const unfenced = <Outcome extends { readonly kind: string }>(
    outcome: Outcome | Unavailable,
  ): Exclude<Outcome, { kind: "fenced" }> | Unavailable => {
    if (outcome.kind !== "fenced") return outcome as Exclude<Outcome, { kind: "fenced" }> | Unavailable;
    deps.onFenced();
    return { kind: "unavailable" };
  };
  const changed = <Outcome extends { readonly kind: string }>(outcome: Outcome): Outcome => {
    if (outcome.kind !== "unavailable") deps.projector.poke();
    return outcome;
  };

  return {
    lease: async (request) =>
      changed(unfenced(await call("lease", () => attempts.lease({ ...request, fence })))),
    accept: async (job, epoch) => {
      const outcome = await call("accept", () => attempts.accept(fence, job, epoch));
      return changed(unfenced(typeof outcome === "string" ? acceptOutcomes[outcome] : outcome));
    },
    append: async (request) => unfenced(await call("append", () => attempts.append({ ...request, fence }))),
    renew: async (leases) =>
      leases.length === 0
        ? { kind: "renewed", lost: [] }
        : unfenced(
            await call("renew", () => attempts.renew(fence, leases, clock.now() + deps.timing.leaseMs)),
          ),
    finish: async (job, epoch, end) =>
      changed(unfenced(await call("finish", () => attempts.finish(fence, job, epoch, end, clock.now())))),
    expire: async (request) =>
      changed(
        unfenced(await call("expire", () => attempts.expire({ ...request, fence, nowMs: clock.now() }))),
      ),
    settleNode: (node, job, epoch, usage) =>
      call("settleNode", async () => ({
        kind: await attempts.settleNode(node, job, epoch, usage, clock.now()),
      })),
    settleAbsent: (node, named) =>
      call("settleAbsent", async () => {
        await attempts.settleAbsent(node, named, clock.now());
        return { kind: "settled" as const };
      }),
    sweep: async (amnesty) =>
      changed(unfenced(await call("sweep", () => attempts.sweep(fence, clock.now(), amnesty)))),
    read: (job) => call("read", async () => ({ kind: "read" as const, record: await attempts.read(job) })),
    spent: (node, day) =>
      call("nodeAccount", async () => ({
        kind: "read" as const,
        ...(await attempts.nodeAccount(node, day)),
      })),
  };
}
