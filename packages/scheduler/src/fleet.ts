import type {
  NodeId,
  NodeIdentity,
  NodeRegistration,
  NodeRegistry,
  NodeReport,
  ServerIdentity,
} from "@coop/core";
import type { NodeLabels } from "@coop/metrics";
import { PROTOCOL_VERSION, proofText } from "@coop/protocol";
import type { Hello, RunningAttempt } from "@coop/protocol";
import type { Adoption } from "./adoption.ts";
import type { AttemptDeps, AttemptEnds } from "./attempt-ends.ts";
import { refOf } from "./attempt-ends.ts";
import { checkHello } from "./hello.ts";
import { tellLostModels } from "./last-nodes.ts";
import type { MassLoss } from "./mass-loss.ts";
import type { NodeBudgets } from "./node-budgets.ts";
import type { NodeOffers } from "./node-offers.ts";
import type { NodeLink, Refusal } from "./node-link.ts";
import type { NodeSession } from "./node-session.ts";
import type { Patience } from "./patience.ts";
import { createSerialQueue } from "./serial-queue.ts";
import type { SerialQueue } from "./serial-queue.ts";

export interface FleetDeps {
  readonly nodes: NodeRegistry;
  readonly serverIdentity: ServerIdentity;
  readonly attempts: AttemptDeps;
  readonly ends: AttemptEnds;
  readonly budgets: NodeBudgets;
  readonly offers: NodeOffers;
  readonly patience: Patience;
  readonly massLoss: MassLoss;
  readonly adopt: (node: NodeId, claimed: readonly RunningAttempt[]) => Promise<(() => Adoption) | null>;
  /** Aborts when the term ends. */
  readonly signal: AbortSignal;
}

/** The nodes that are connected. A node has at most one session: its newest connection. */
export interface Fleet {
  /** Checks the proof, replaces an older session, decides on what the node runs, welcomes it. */
  join(link: NodeLink, hello: Hello, nonce: string): Promise<NodeSession | null>;
  leave(session: NodeSession): void;
  report(session: NodeSession, report: NodeReport): Promise<void>;
  /** Asks the store what is left of the node's token budget and tells the dispatcher. */
  refreshBudget(session: NodeSession): Promise<void>;
  /** Closes the node's session; its attempts are tried elsewhere. */
  revoke(node: NodeId): Promise<void>;
  /** Asks the registry whether an operator drained the node, and tells the dispatcher. */
  heedDrain(node: NodeId): Promise<void>;
  /** Revokes and drains here what the registry says is revoked or drained: word of it may have been lost. */
  heedRegistry(): Promise<void>;
  /** Sends every agent away, to the leader when it is known. */
  dismiss(leader: string | null): void;
  beat(): void;
  sessionOf(node: NodeId): NodeSession | undefined;
  sessions(): Iterable<NodeSession>;
  connected(): number;
}

const REVOKED: Refusal = {
  reason: "revoked",
  message: "the node was revoked by an operator",
  retryAfterMs: null,
  leader: null,
};

const DRAINED: NodeReport["availability"] = { kind: "closed", reason: "drained", untilMs: null };

const labelsOf = ({ name, owner }: NodeIdentity): NodeLabels => ({ node: name, owner });

export function createFleet(deps: FleetDeps): Fleet {
  const { attempts, budgets, ends, massLoss, offers, patience, signal, serverIdentity } = deps;
  const { log, metrics, timing, table, tell } = attempts;
  const sessions = new Map<NodeId, NodeSession>();
  const joins = new Map<NodeId, SerialQueue>();
  /** The report whose budget the store is asked for. */
  const askedFor = new Map<NodeSession, NodeReport>();
  /** Nodes that were here, as the metrics name them. */
  const seen = new Map<NodeId, NodeLabels>();
  /** Never welcomed again, also when its handshake began before. */
  const revoked = new Set<NodeId>();
  /** Nodes that an operator drained. The registry answers in the order of the questions, so its last word stands. */
  const drained = new Set<NodeId>();

  const heed = ({ id, drainedAtMs }: NodeRegistration): void => {
    if (drainedAtMs === null) drained.delete(id);
    else drained.add(id);
  };

  /** A node's report under what an operator said of the node. */
  const ruled = (id: NodeId, report: NodeReport): NodeReport =>
    drained.has(id) ? { ...report, availability: DRAINED } : report;

  const leave = (session: NodeSession): void => {
    const { id, name } = session.identity;
    if (sessions.get(id) !== session) return;
    sessions.delete(id);
    if (session.report.draining) massLoss.left(id);
    else massLoss.vanished(id);
    metrics.connectedNodes(sessions.size);
    log.info({ node: id, name }, "a node disconnected");
    tell({ kind: "node-left", node: id });
  };

  const refreshBudget = async (session: NodeSession): Promise<void> => {
    const { id } = session.identity;
    const state = await budgets.read(id, session.report);
    if (state === null || sessions.get(id) !== session) return;
    tell({ kind: "node-reported", node: id, report: ruled(id, session.report), budget: state.budget });
    budgets.tell(session, state);
    await offers.record(session);
  };

  /** Asks about one report of a session at a time; of those that come meanwhile, about the last. */
  const report = async (session: NodeSession, latest: NodeReport): Promise<void> => {
    tellLostModels(log, session, latest, sessions.values());
    metrics.modelsReported(labelsOf(session.identity), latest.models);
    session.report = latest;
    if (askedFor.has(session)) return;
    do {
      askedFor.set(session, session.report);
      await refreshBudget(session);
    } while (askedFor.get(session) !== session.report);
    askedFor.delete(session);
  };

  const retire = (older: NodeSession): void => {
    older.link.refuse({
      reason: "replaced",
      message: "the node connected anew",
      retryAfterMs: null,
      leader: null,
    });
    leave(older);
  };

  const welcome = async (
    link: NodeLink,
    hello: Hello,
    identity: NodeIdentity,
  ): Promise<NodeSession | null> => {
    const older = sessions.get(identity.id);
    if (older !== undefined) retire(older);
    const adopted = await deps.adopt(identity.id, hello.running);
    const state = await budgets.read(identity.id, hello.report);
    if (adopted === null || state === null) {
      link.terminate("the store does not say what the node may go on with");
      return null;
    }
    if (revoked.has(identity.id)) link.refuse(REVOKED);
    if (!link.open || signal.aborted) return null;
    const adoption = adopted();

    const session: NodeSession = { identity, machine: hello.machine, link, report: hello.report };
    sessions.set(identity.id, session);
    massLoss.joined(identity.id);
    seen.set(identity.id, labelsOf(identity));
    metrics.modelsReported(labelsOf(identity), hello.report.models);
    metrics.connectedNodes(sessions.size);
    log.info(
      { node: identity.id, name: identity.name, running: adoption.running.length },
      "a node connected",
    );
    link.send({
      kind: "welcome",
      signature: serverIdentity.sign(
        proofText("server", hello.nonce, serverIdentity.serverId, identity.id, PROTOCOL_VERSION),
      ),
      heartbeatMs: timing.heartbeatMs,
      leaseMs: timing.leaseMs,
      running: [...adoption.verdicts],
    });
    tell({
      kind: "node-joined",
      identity,
      machine: hello.machine,
      report: ruled(identity.id, hello.report),
      running: adoption.running,
      budget: state.budget,
    });
    budgets.tell(session, state);
    attempts.own(offers.record(session));
    return session;
  };

  const registrationOf = async (id: NodeId) => {
    const found = await patience("node", async () => ({
      kind: "read" as const,
      node: await deps.nodes.node(id),
    }));
    if (found.kind === "read" && found.node !== null) heed(found.node);
    return found;
  };

  const join = async (link: NodeLink, hello: Hello, nonce: string): Promise<NodeSession | null> => {
    const found = await registrationOf(hello.node);
    if (found.kind === "unavailable") {
      link.terminate("the registry of nodes does not answer");
      return null;
    }
    const verdict = checkHello(hello, nonce, serverIdentity.serverId, found.node);
    if (verdict.kind === "refused") {
      link.refuse(verdict.refusal);
      return null;
    }
    const { id, name, owner } = verdict.node;
    offers.known(verdict.node);
    const queue = joins.get(id) ?? createSerialQueue();
    joins.set(id, queue);
    return queue.run(() => welcome(link, hello, { id, name, owner }));
  };

  const revoke = async (node: NodeId): Promise<void> => {
    revoked.add(node);
    const session = sessions.get(node);
    if (session !== undefined) {
      session.link.refuse(REVOKED);
      massLoss.left(node);
      leave(session);
    }
    tell({ kind: "node-removed", node });
    const labels = seen.get(node);
    if (labels !== undefined) metrics.nodeForgotten(labels);
    seen.delete(node);
    for (const attempt of table.ofNode(node)) {
      await attempt.steps.run(async () => {
        if (attempt.state.kind === "ended") return;
        await ends.fail(refOf(attempt), {
          failure: "not-allowed",
          message: "the node was revoked",
          usage: null,
          policy: { retry: true, excludeNode: true, counts: false },
        });
      });
    }
  };

  const heedDrain = async (node: NodeId): Promise<void> => {
    await registrationOf(node);
    const session = sessions.get(node);
    if (session !== undefined) await refreshBudget(session);
  };

  const heedRegistry = async (): Promise<void> => {
    const found = await patience("nodes", async () => ({
      kind: "read" as const,
      nodes: await deps.nodes.nodes(),
    }));
    if (found.kind === "unavailable") return;
    for (const node of found.nodes) {
      const { id } = node;
      const wasDrained = drained.has(id);
      heed(node);
      if (node.revokedAtMs !== null && !revoked.has(id)) await revoke(id);
      const session = sessions.get(id);
      if (session !== undefined && drained.has(id) !== wasDrained) await refreshBudget(session);
    }
  };

  return {
    join,
    leave,
    refreshBudget,
    revoke,
    heedDrain,
    heedRegistry,
    report,
    dismiss(leader) {
      for (const session of sessions.values()) {
        const message = leader === null ? "this server stopped leading" : `the leader is ${leader}`;
        session.link.refuse({ reason: "not-leader", message, retryAfterMs: 1_000, leader });
        leave(session);
      }
    },
    beat() {
      for (const session of sessions.values()) session.link.beat();
    },
    sessionOf: (node) => sessions.get(node),
    sessions: () => sessions.values(),
    connected: () => sessions.size,
  };
}
