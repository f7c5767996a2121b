import type {
  CostTermsView,
  JobView,
  MemberRow,
  MemberView,
  NodeRow,
  PlacementView,
  QuotaView,
} from "@coop/protocol";

const NOON_MS = Date.UTC(2026, 2, 1, 12);

/** A short edge job that ran well on the node "pi". */
export function buildJobView(changes: Partial<JobView> = {}): JobView {
  return {
    id: "job_1",
    object: "coop.job",
    state: "succeeded",
    endpoint: "chat",
    requested: "coop/edge",
    privacy: "coop",
    attachment: "detached",
    submittedAtMs: NOON_MS,
    finishedAtMs: NOON_MS + 2_000,
    attempts: 1,
    node: "node_pi",
    nodeName: "pi",
    model: "llama3.2:3b",
    tier: "edge",
    outputTokens: 20,
    promptTokens: 10,
    chargedTokens: 30,
    refundedTokens: 0,
    refundedAtMs: null,
    error: null,
    metadata: {},
    result: null,
    ...changes,
  };
}

const FREE: CostTermsView = {
  waitS: 0,
  loadS: 0,
  prefillS: 0,
  decodeS: 0,
  sharingS: 0,
  coRunnersS: 0,
  queueS: 0,
  evictionS: 0,
  budgetS: 0,
  totalS: 0,
};

type Option = PlacementView["nodes"][number]["options"][number];

/** An option that takes `decodeS`, after a wait unless it starts now. */
export const costed = (model: string, decodeS: number, waitS = 0): Option => ({
  kind: "costed",
  model,
  tier: model.startsWith("llama3.2") ? "edge" : "local-small",
  startsNow: waitS === 0,
  cost: { ...FREE, waitS, decodeS, totalS: waitS + decodeS },
});

export const tierBelow = (model: string): Option => ({
  kind: "refused",
  model,
  refusals: [{ reason: "tier-below", passing: false, detail: `asks for more than ${model} is` }],
});

/** An assignment to "pi", a second after the job was submitted. */
export function buildPlacement(
  nodes: Readonly<Record<string, Option[]>>,
  decision: PlacementView["decision"] = {
    kind: "assigned",
    node: "node_pi",
    nodeName: "pi",
    model: "llama3.2:3b",
    tier: "edge",
  },
): PlacementView {
  return {
    atMs: NOON_MS + 1_000,
    decision,
    nodes: Object.entries(nodes).map(([nodeName, options]) => ({
      node: `node_${nodeName}`,
      nodeName,
      simulated: true,
      options,
    })),
  };
}

/** A connected node of one slot. */
export function buildNodeRow(changes: Partial<NodeRow> = {}): NodeRow {
  return {
    id: "node_pi",
    name: "pi",
    owner: "mem_chidi",
    ownerName: "chidi",
    connected: true,
    lastSeenMs: NOON_MS,
    draining: false,
    machine: {
      chip: "Raspberry Pi 5 Model B",
      platform: "linux",
      memoryBytes: 8 * 2 ** 30,
      simulated: true,
      agentVersion: "0.1.0",
      engine: "ollama 0.35.1",
    },
    slots: 1,
    active: 0,
    pressure: "normal",
    thermal: "nominal",
    power: "mains",
    closed: null,
    budget: {
      dayLeftTokens: null,
      dayEndsMs: NOON_MS + 12 * 3_600_000,
      monthLeftTokens: null,
      monthEndsMs: NOON_MS + 15 * 86_400_000,
    },
    models: [],
    ...changes,
  };
}

/** A member of the co-op's own limits, enabled. */
export const buildMemberView = (changes: Partial<MemberView> = {}): MemberView => ({
  id: "mem_maja",
  name: "maja",
  role: "member",
  limits: {
    tokensPerMonth: { kind: "default" },
    tierTokensPerMonth: {},
    jobsAtOnce: null,
    requestsPerMinute: null,
  },
  weight: 1,
  defaultTier: "local-small",
  createdAtMs: NOON_MS,
  disabledAtMs: null,
  erasedAtMs: null,
  ...changes,
});

/** Maja's March: nothing used of an equal share of 3,000,000 tokens by three members. */
export const buildQuota = (changes: Partial<QuotaView> = {}): QuotaView => ({
  object: "coop.quota",
  member: "mem_maja",
  memberName: "maja",
  month: "2026-03",
  limitTokens: 1_000_000,
  floorTokens: 1_000_000,
  source: { kind: "equal-share", capacityTokens: 3_000_000, shareOfCapacity: 1, members: 3 },
  creditTokens: 0,
  usedTokens: 0,
  heldTokens: 0,
  leftTokens: 1_000_000,
  resetsAtMs: Date.UTC(2026, 2, 31, 22),
  timeZone: "Europe/Stockholm",
  tiers: [],
  jobsAtOnce: { limit: null, unfinished: 0 },
  requestsPerMinute: null,
  weight: 1,
  defaultTier: "local-small",
  ...changes,
});

/** The same as a row of the list of members. */
export const buildMemberRow = (changes: Partial<MemberRow> = {}): MemberRow => {
  const { limitTokens, source, usedTokens, heldTokens } = buildQuota();
  return { ...buildMemberView(), limitTokens, source, usedTokens, heldTokens, ...changes };
};
