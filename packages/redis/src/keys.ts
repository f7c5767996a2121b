/**
 * Every key and channel of the co-op in Redis. All share one hash tag, so that a script may touch any of
 * them on a cluster. The scripts get these names from here too (`script.ts`); nothing else spells one.
 */

/** Keys and channels that exist once. */
const ONE = {
  /** Integer: the leader's fencing number. */
  fence: "fence",
  /** Who leads, with the lease as its time to live. */
  leader: "leader",
  /** Sorted set: jobs that BullMQ may not mirror yet, by the time of the change, ms. */
  dirty: "dirty",
  /** Sorted set: queued jobs, by submission, ms. */
  pending: "pending",
  /** Sorted set: jobs on a node, by the end of the lease, ms. */
  leases: "leases",
  /** Sorted set: attached jobs that have not ended, by until when someone is known to follow, ms. */
  followed: "followed",
  /** Sorted set: jobs that have not ended, by deadline, ms. */
  deadlines: "deadlines",
  /** Sorted set: `job|epoch` of holds on nodes whose attempt was fenced off, by when they are overdue, ms. */
  zombies: "zombies",
  /** Stream: one entry a settlement, its parts in one field `entry`, joined with `|`; the deltas of each sum to zero. */
  ledger: "ledger",
  /** Hash: when it was granted, ms, by id of what was granted. */
  grants: "grants",
  /** List: operators' acts, JSON, oldest first; each carries the hash of the one before. */
  audit: "audit",
  /** Hash: a member as JSON, by id. */
  members: "members",
  /** Hash: a member's id, by name. */
  memberNames: "member-names",
  /** Hash: when a disabled member was disabled, ms, by id. */
  disabledMembers: "disabled-members",
  /** Hash: when the erasure of a member began, ms, by id. */
  erasedMembers: "erased-members",
  /** Set: ids of members whose erasure began and did not end. */
  erasing: "erasing",
  /** String: written anew whenever it is asked whether a replica has what was written before. */
  copied: "copied",
  /** Set: ids of all nodes that ever joined. */
  nodes: "nodes",
  /** String: the fleet snapshot, JSON. */
  fleet: "fleet",
  /** Channel: core's `Wake`, JSON. */
  wake: "wake",
  /** Channel: appended output entries. */
  output: "output",
} as const;

/** Keys that exist once for each of something. */
const MANY = {
  /** Hash: a job and where it is in its life. By job. */
  job: "job",
  /** Hash: `payload` (what the engine is to run, sealed), `placement` (JSON, of the latest lease). By job. */
  kept: "kept",
  /** Stream: a job's output, entry id = position. By job. */
  out: "out",
  /** Sorted set in the order of ids, which is the order of creation. By member. */
  memberJobs: "member-jobs",
  /** Hash `used`, `held`, `credit`, and for each tier asked for `used:tier`, `held:tier`; tokens. By member and month `YYYY-MM`. */
  account: "account",
  /** Hash `pending`, `unfinished`: jobs; `minute` since the Unix epoch, `requests` in it. By member. */
  standing: "standing",
  /** Hash `row|day` and `row|day|node|tier|model`: counts joined with `,` (usage.ts); `wait|day|bucket`: jobs. By member and month. */
  usage: "usage",
  /**
   * Hash of what the usage comes to: `day|day`, `place` and `place|node|tier|model`: counts as in the usage, but ms of the
   * node, each row rounded; `wait|bucket`: jobs. By member and month. Absent, or whole.
   */
  usageSums: "usage-sums",
  /** Hash `used`, `held`, and for each day `used:day`, `held:day`; tokens. By node and month `YYYY-MM`. */
  nodeAccount: "node-account",
  /** String `share|live|at`: an attempt's share of the node's time, microseconds; live attempts; as of, ms. By node. */
  nodeClock: "node-clock",
  /** Hash `job`, `bodyHash`, `until`, ms. By member and the member's idempotency key. */
  idempotency: "idempotency",
  /** Hash: an API key. By key id. */
  apiKey: "api-key",
  /** Set: ids of a member's API keys. By member. */
  memberKeys: "member-keys",
  /** Hash: a node's registration. By node. */
  node: "node",
  /** Hash: a node's id, by name. By owner. */
  nodeNames: "node-names",
  /** Hash: a token with which a node joins. By token id. */
  joinToken: "join-token",
} as const;

/** The prefix of a co-op that has a Redis to itself. */
export const DEFAULT_PREFIX = "{coop}";

/** The names under one prefix. `prefix` carries a hash tag, such as `{coop}`. */
export function createKeys(prefix: string) {
  const one = (name: keyof typeof ONE): string => `${prefix}:${ONE[name]}`;
  const many = (name: keyof typeof MANY, ...of: readonly string[]): string =>
    [prefix, MANY[name], ...of].join(":");
  return {
    fence: one("fence"),
    leader: one("leader"),
    dirty: one("dirty"),
    pending: one("pending"),
    leases: one("leases"),
    followed: one("followed"),
    deadlines: one("deadlines"),
    zombies: one("zombies"),
    ledger: one("ledger"),
    audit: one("audit"),
    members: one("members"),
    disabledMembers: one("disabledMembers"),
    erasedMembers: one("erasedMembers"),
    erasing: one("erasing"),
    copied: one("copied"),
    nodes: one("nodes"),
    fleet: one("fleet"),
    wakeChannel: one("wake"),
    outputChannel: one("output"),
    job: (job: string) => many("job", job),
    kept: (job: string) => many("kept", job),
    output: (job: string) => many("out", job),
    memberJobs: (member: string) => many("memberJobs", member),
    memberAccount: (member: string, month: string) => many("account", member, month),
    /** Pattern of every account, and of a little else. */
    anyAccount: `${prefix}:*account:*`,
    standing: (member: string) => many("standing", member),
    usage: (member: string, month: string) => many("usage", member, month),
    usageSums: (member: string, month: string) => many("usageSums", member, month),
    nodeAccount: (node: string, month: string) => many("nodeAccount", node, month),
    nodeClock: (node: string) => many("nodeClock", node),
    idempotency: (member: string, key: string) => many("idempotency", member, key),
    apiKey: (id: string) => many("apiKey", id),
    memberKeys: (member: string) => many("memberKeys", member),
    node: (node: string) => many("node", node),
    nodeNames: (owner: string) => many("nodeNames", owner),
    /** Pattern of every key under the prefix. */
    everything: `${prefix}:*`,
    joinToken: (id: string) => many("joinToken", id),
  };
}

export type Keys = ReturnType<typeof createKeys>;

/** The same names as the scripts write them, `one.pending` and `many.job .. id`, and the Lua that they stand for. */
export function keyNamesForScripts(prefix: string) {
  const texts = (names: Readonly<Record<string, string>>, tail: string) =>
    Object.fromEntries(
      Object.entries(names).map(([name, key]) => [name, JSON.stringify(`${prefix}:${key}${tail}`)]),
    );
  return { one: texts(ONE, ""), many: texts(MANY, ":") };
}
