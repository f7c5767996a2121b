import type { AttemptStore, DispatchEvent, FleetBoard, JobRecord, NodeRegistry } from "@coop/core";
import type { Patience } from "./patience.ts";

export interface LoaderDeps {
  readonly attempts: AttemptStore;
  readonly board: FleetBoard;
  readonly nodes: NodeRegistry;
  readonly patience: Patience;
  readonly tell: (event: DispatchEvent) => void;
  readonly signal: AbortSignal;
}

/** Tells a dispatcher that starts what the stores know. */
export interface Loader {
  /** Nodes of the last published snapshot, as disconnected, so that what they could serve is not forgotten. */
  knownNodes(): Promise<void>;
  /** All pending jobs; repeating it is harmless. One scan at a time: one asked for meanwhile follows it. */
  pendingJobs(): Promise<void>;
}

export function createLoader({ attempts, board, nodes, patience, tell, signal }: LoaderDeps): Loader {
  let scanning: Promise<void> | null = null;
  let again = false;

  const scan = async (): Promise<void> => {
    await patience("pending", async () => {
      for await (const page of attempts.pending()) {
        if (signal.aborted) return;
        for (const record of page) tellPending(record);
      }
    });
  };
  const tellPending = ({ spec, excludedNodes, state }: JobRecord): void => {
    if (state.state === "queued")
      tell({ kind: "job-pending", spec, excludedNodes, notBeforeMs: state.notBeforeMs });
  };
  const scanUntilCurrent = async (): Promise<void> => {
    do {
      again = false;
      await scan();
    } while (again && !signal.aborted);
    scanning = null;
  };

  return {
    async knownNodes() {
      const known = await patience("board", async () => ({
        kind: "read" as const,
        snapshot: await board.read(),
      }));
      const registered = await patience("nodes", async () => ({
        kind: "read" as const,
        nodes: await nodes.nodes(),
      }));
      if (known.kind === "unavailable" || registered.kind === "unavailable") return;
      const current = new Set(
        registered.nodes.filter((node) => node.revokedAtMs === null).map((node) => node.id),
      );
      for (const { identity, machine, report, budget } of known.snapshot?.nodes ?? []) {
        if (!current.has(identity.id)) continue;
        tell({ kind: "node-joined", identity, machine, report, running: [], budget });
        tell({ kind: "node-left", node: identity.id });
      }
    },
    pendingJobs() {
      again = true;
      scanning ??= scanUntilCurrent();
      return scanning;
    },
  };
}
