import { createDispatcher } from "@coop/core";
import type { Wake } from "@coop/core";

import type { AgentFrame, Hello } from "@coop/protocol";
import { createAmnesty } from "./amnesty.ts";
import { createAdoption } from "./adoption.ts";
import { createAssigner } from "./assign.ts";
import { createAttemptEnds } from "./attempt-ends.ts";
import type { AttemptDeps } from "./attempt-ends.ts";
import { createAttemptFrames } from "./attempt-frames.ts";
import { createAttemptTable } from "./attempt-table.ts";
import type { ResolvedDeps } from "./deps.ts";
import { createDispatchLoop } from "./dispatch-loop.ts";
import type { DispatchLoop } from "./dispatch-loop.ts";
import { createFencedStore } from "./fenced-store.ts";
import { createFleet } from "./fleet.ts";
import type { Fleet } from "./fleet.ts";
import { createLeaseKeeper } from "./lease-keeper.ts";
import { createLoader } from "./loader.ts";
import type { NodeLink } from "./node-link.ts";
import type { NodeSession } from "./node-session.ts";
import { createMassLoss } from "./mass-loss.ts";
import { createNodeBudgets } from "./node-budgets.ts";
import { createNodeOffers } from "./node-offers.ts";
import { createPatience, periodically } from "./patience.ts";

/** How a term ended: another scheduler leads, this one was stopped, or a bug showed. */
export type TermEnd =
  | { readonly kind: "fenced" }
  | { readonly kind: "closed" }
  | { readonly kind: "broken"; readonly error: unknown };

export interface TermState {
  readonly connectedNodes: number;
  readonly runningAttempts: number;
  readonly pendingJobs: number;
}

/**
 * One term of leadership. All state of the leading scheduler lives and dies with it: what it knows, it read
 * from the store under its fencing number or was told by agents; a later term begins anew.
 */
export interface Term {
  readonly fence: number;
  /** Welcomes the node or refuses it; null when refused. */
  join(link: NodeLink, hello: Hello, nonce: string): Promise<NodeSession | null>;
  hear(session: NodeSession, frame: AgentFrame, bytes: number): void;
  leave(session: NodeSession): void;
  /** Sends agents away, to the new leader when it is known, and stops. */
  close(leader: string | null): Promise<void>;
  /** Aborts when the term ends, however. */
  readonly over: AbortSignal;
  /** How it ended, null while it lasts. */
  end(): TermEnd | null;
  state(): TermState;
}

export function createTerm(deps: ResolvedDeps, fence: number): Term {
  const { clock, log, metrics, timing } = deps;
  const stop = new AbortController();
  const { signal } = stop;
  let ended: TermEnd | null = null;
  const tasks = new Set<Promise<void>>();

  const end = (how: TermEnd): void => {
    ended ??= how;
    stop.abort();
  };
  const own = (task: Promise<void>): void => {
    const owned = task
      .catch((error: unknown) => end({ kind: "broken", error }))
      .finally(() => tasks.delete(owned));
    tasks.add(owned);
  };

  const table = createAttemptTable();
  const patience = createPatience({ ...deps, signal });
  const store = createFencedStore({ ...deps, patience, fence, onFenced: () => end({ kind: "fenced" }) });
  const tell: AttemptDeps["tell"] = (event) => {
    if (!signal.aborted) dispatch.tell(event);
  };
  const sendTo: AttemptDeps["sendTo"] = (node, frame) => {
    if (!signal.aborted) fleet.sessionOf(node)?.link.send(frame);
  };
  const attemptDeps: AttemptDeps = {
    clock,
    log,
    metrics,
    timing,
    store,
    table,
    tell,
    own,
    sendTo,
  };
  const ends = createAttemptEnds(attemptDeps);
  const massLoss = createMassLoss(deps);
  const fleet: Fleet = createFleet({
    ...deps,
    attempts: attemptDeps,
    ends,
    budgets: createNodeBudgets({ ...deps, store }),
    offers: createNodeOffers({ ...deps, patience }),
    massLoss,
    patience,
    signal,
    adopt: createAdoption({ ...attemptDeps, ends }),
  });
  const assign = createAssigner({
    ...attemptDeps,
    ends,
    calendar: deps.calendar,
    sessionOf: fleet.sessionOf,
    sessions: fleet.sessions,
    refreshBudget: fleet.refreshBudget,
  });
  const dispatch: DispatchLoop = createDispatchLoop({
    dispatcher: createDispatcher({ clock }),
    metrics,
    perform: assign,
    own,
  });
  const frames = createAttemptFrames({ ...attemptDeps, ends });
  const leases = createLeaseKeeper({
    ...attemptDeps,
    ends,
    sessions: fleet.sessions,
    sessionOf: fleet.sessionOf,
  });
  const loader = createLoader({ ...deps, patience, tell, signal });

  const wake = (message: Wake): void => {
    switch (message.kind) {
      case "admitted":
        return tell({ kind: "job-pending", spec: message.spec, excludedNodes: [], notBeforeMs: 0 });
      case "cancelled": {
        tell({ kind: "job-gone", job: message.job });
        metrics.jobEnded("cancelled");
        if (message.fenced === null) return;
        return own(leases.stop({ job: message.job, ...message.fenced }));
      }
      case "node-revoked":
        return own(fleet.revoke(message.node));
      case "node-drained":
        return own(fleet.heedDrain(message.node));
    }
  };

  /** Reads what wake-ups that were lost may have said. */
  const catchUp = (): void => {
    own(loader.pendingJobs());
    own(fleet.heedRegistry());
  };

  const publish = async (): Promise<void> => {
    if (!dispatch.takeChanged()) return;
    await patience("publish", () => deps.board.publish(fence, dispatch.snapshot()));
  };

  const wish = (): void => {
    for (const { kind, node, model } of dispatch.wishes()) {
      log.info({ node, model }, `wishing a node to ${kind} a model`);
      attemptDeps.sendTo(node, { kind, model });
    }
  };

  const inAmnesty = createAmnesty(deps);
  const ready = loader.knownNodes();
  const begin = async (): Promise<void> => {
    await ready;
    // The first scan comes with the subscription, which says that messages may have been missed before it.
    own(deps.wakeUps.subscribe(wake, catchUp, signal));
    const sweep = (): Promise<void> => {
      const spared = inAmnesty();
      return leases.sweep(spared || massLoss.inAmnesty());
    };
    await sweep();
    own(periodically(timing.sweepEveryMs, signal, sweep));
  };
  own(begin());
  own(deps.projector.run(signal));
  own(periodically(timing.renewEveryMs, signal, leases.renew));
  own(periodically(timing.boardEveryMs, signal, publish));
  own(periodically(timing.heartbeatMs, signal, fleet.beat));
  own(periodically(timing.warmEveryMs, signal, wish));
  own(periodically(timing.tickMs, signal, () => tell({ kind: "tick" })));

  return {
    fence,
    async join(link, hello, nonce) {
      await ready;
      return fleet.join(link, hello, nonce);
    },
    hear(session, frame, bytes) {
      if (frame.kind === "hello") {
        return session.link.refuse({
          reason: "bad-frame",
          message: "a second hello",
          retryAfterMs: null,
          leader: null,
        });
      }
      if (frame.kind === "report") return own(fleet.report(session, frame.report));
      frames(session, frame, bytes);
    },
    leave: fleet.leave,
    async close(leader) {
      fleet.dismiss(leader);
      end({ kind: "closed" });
      table.clear();
      while (tasks.size > 0) await Promise.all(tasks);
    },
    over: signal,
    end: () => ended,
    state: () => ({
      connectedNodes: fleet.connected(),
      runningAttempts: table.size,
      pendingJobs: dispatch.pendingCount(),
    }),
  };
}
