import type { Leadership, LeadershipOutcome } from "@coop/core";
import { z } from "zod";
import type { Keys } from "./keys.ts";
import type { RunScript } from "./script.ts";

const campaignReply = z.union([
  z.tuple([z.literal("leading"), z.int().positive()]),
  z.tuple([z.literal("following"), z.string()]),
]);

/** The lead as a key that expires, and its fencing number, which every script of the scheduler compares. */
export function createLeadership(keys: Keys, run: RunScript): Leadership {
  return {
    async campaign(candidate, address, ttlMs): Promise<LeadershipOutcome> {
      const reply = campaignReply.parse(await run("campaign", keys.leader, [candidate, address, ttlMs]));
      return reply[0] === "leading"
        ? { kind: reply[0], fence: reply[1] }
        : { kind: reply[0], leader: reply[1] };
    },
    async resign(candidate) {
      await run("resign", keys.leader, [candidate]);
    },
  };
}
