import { effectiveLimits, fleetCapacity, followsShare } from "@coop/core";
import type {
  Clock,
  EffectiveLimits,
  FleetShare,
  Member,
  MemberStore,
  NodeRegistry,
  QuotaSettings,
} from "@coop/core";

/** What each member may use, as settings, operators and the fleet have it now. */
export interface LimitsOf {
  (member: Pick<Member, "limits">): Promise<EffectiveLimits>;
}

export interface MemberLimitsDeps {
  readonly clock: Clock;
  readonly members: Pick<MemberStore, "members">;
  readonly nodes: Pick<NodeRegistry, "nodes">;
  readonly quotas: QuotaSettings;
  /** How old what is known of the fleet and the members may be, ms. */
  readonly maxAgeMs: number;
}

export interface KnownLimits {
  readonly limitsOf: LimitsOf;
  /** Members or nodes have changed: whoever asks next meets them as they are. */
  forgetShare(): void;
}

const NO_SHARE: FleetShare = { capacityTokens: null, members: 0 };

/** Asks the stores only for who follows the fleet's share, and then once for everyone who asks in `maxAgeMs`. */
export function createMemberLimits({
  clock,
  members,
  nodes,
  quotas,
  maxAgeMs,
}: MemberLimitsDeps): KnownLimits {
  let last: { readonly atMs: number; readonly share: Promise<FleetShare> } | null = null;

  const read = async (): Promise<FleetShare> => {
    const [registrations, everyone] = await Promise.all([nodes.nodes(), members.members()]);
    return {
      capacityTokens: fleetCapacity(registrations),
      members: everyone.filter(({ disabledAtMs }) => disabledAtMs === null).length,
    };
  };
  const share = (): Promise<FleetShare> => {
    const now = clock.now();
    if (last !== null && now - last.atMs < maxAgeMs) return last.share;
    const reading = { atMs: now, share: read() };
    last = reading;
    reading.share.catch(() => {
      if (last === reading) last = null;
    });
    return reading.share;
  };

  return {
    limitsOf: async ({ limits }) =>
      effectiveLimits(limits, quotas, followsShare(limits, quotas) ? await share() : NO_SHARE),
    forgetShare: () => {
      last = null;
    },
  };
}
