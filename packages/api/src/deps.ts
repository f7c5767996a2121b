import type {
  AgentPackage,
  Accounting,
  Clock,
  CoopSettings,
  Erasures,
  FleetBoard,
  JobDesk,
  KeyRecord,
  LedgerReader,
  Log,
  Member,
  MemberStore,
  NodeRegistry,
  OutputLog,
  PendingCaps,
  ServerIdentity,
  StoreSnapshots,
  Tier,
  UsageReader,
} from "@coop/core";
import type { Metrics } from "@coop/metrics";
import type { HttpBindings } from "@hono/node-server";
import type { Context } from "hono";
import type { AuditTrail } from "./audit/trail.ts";
import type { Delivered } from "./delivery.ts";
import type { Ids } from "./ids.ts";

/** Limits and times that hold unless a request or the co-op says otherwise. */
export interface ApiDefaults {
  /** Output limit of a request that sets none, tokens. */
  readonly maxOutputTokens: number;
  /** What `coop/auto` means for a new member. */
  readonly memberTier: Tier;
  /** How long a member's open connection waits for a node to take its job. */
  readonly attachedWaitMs: number;
  /** How long an attached and a detached job may take in all until it expires. */
  readonly attachedDeadlineMs: number;
  readonly detachedDeadlineMs: number;
  /** How long a stream holds its headers back for the first output, so that a refusal has its true status. */
  readonly headersHeldMs: number;
  /** Silence after which an open stream sends a comment, so that no proxy on the way closes it. */
  readonly pingMs: number;
  /** How far ahead an attached job is marked as followed, and how often that is renewed. */
  readonly followForMs: number;
  readonly followEveryMs: number;
  /** How long a stream waits for a reader that takes nothing. */
  readonly stalledReaderMs: number;
  /** How old the fleet snapshot that admission reads may be beyond its own age. */
  readonly fleetMaxAgeMs: number;
  /** How old what equal shares are made of may be: the members, and what their nodes can make in a month. */
  readonly shareMaxAgeMs: number;
}

export const API_DEFAULTS: ApiDefaults = {
  maxOutputTokens: 4096,
  memberTier: "local-small",
  attachedWaitMs: 5 * 60_000,
  attachedDeadlineMs: 3_600_000,
  detachedDeadlineMs: 24 * 3_600_000,
  headersHeldMs: 10_000,
  pingMs: 10_000,
  followForMs: 15_000,
  followEveryMs: 5_000,
  stalledReaderMs: 30_000,
  fleetMaxAgeMs: 250,
  shareMaxAgeMs: 5_000,
};

/** Pending jobs beyond which admission refuses. */
export const PENDING_CAPS: PendingCaps = { perMember: 10_000, total: 100_000 };

/** Everything the HTTP surface needs from outside. */
export interface ApiDeps {
  readonly clock: Clock;
  readonly ids: Ids;
  readonly desk: JobDesk;
  readonly accounting: Accounting;
  readonly usage: UsageReader;
  readonly output: OutputLog;
  readonly members: MemberStore;
  readonly nodes: NodeRegistry;
  readonly ledger: LedgerReader;
  readonly board: FleetBoard;
  readonly audit: AuditTrail;
  readonly erasures: Erasures;
  readonly serverIdentity: ServerIdentity;
  readonly snapshots: StoreSnapshots;
  /** The agent that this server hands to machines that join; null when it has none. */
  readonly agentPackage: AgentPackage | null;
  /** Key of the HMAC under which secrets are stored. */
  readonly pepper: Uint8Array;
  /** Address that members and nodes use, known once the server listens. */
  readonly publicUrl: () => string;
  readonly log: Log;
  readonly metrics: Pick<
    Metrics,
    "httpRequest" | "jobRefused" | "showFleet" | "showMembers" | "storeReachable" | "render" | "contentType"
  >;
  /**
   * Whether this program's scheduler leads. It alone tells of the fleet and of the members: sums over all programs
   * of a co-op would count them more than once.
   */
  readonly leads: () => boolean;
  /** Who sends it as a bearer token may read the metrics from elsewhere; null: this machine only. */
  readonly metricsToken: string | null;
  /** Whether the metrics tell what each member used. */
  readonly metricsOfMembers: boolean;
  readonly pendingCaps: PendingCaps;
  readonly settings: CoopSettings;
  readonly defaults: ApiDefaults;
}

/** Who calls, as their key says. */
export interface Caller {
  readonly member: Member;
  readonly key: KeyRecord;
}

/**
 * What a request carries through its handlers. `streamEnded` resolves when a streamed answer is over, `bodyText` is
 * the body where it was read before its handler, `act` what an operator is about to do to whom, and `delivered` the
 * job whose end the answer carries.
 */
export interface ApiEnv {
  Bindings: Partial<HttpBindings>;
  Variables: {
    caller: Caller;
    streamEnded?: Promise<void>;
    bodyText?: Promise<string>;
    act?: { readonly name: string; readonly target: string | null };
    delivered?: Delivered;
  };
}

export type ApiContext = Context<ApiEnv>;
