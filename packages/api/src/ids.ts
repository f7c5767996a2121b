import { randomBytes } from "node:crypto";
import { asJobId, asMemberId, asNodeId } from "@coop/core";
import type { Clock, JobId, MemberId, NodeId } from "@coop/core";
import { encodeBase62 } from "./base62.ts";

/** Names for new things. Secrets have 256 bits of randomness. */
export interface Ids {
  job(): JobId;
  member(): MemberId;
  node(): NodeId;
  key(): string;
  joinToken(): string;
  /** Of an entry that an operator makes in the books. */
  grant(): string;
  secret(): Uint8Array;
}

const CROCKFORD = "0123456789abcdefghjkmnpqrstvwxyz";

/** Ids from the system's randomness; a job's id begins with its time, so that ids sort by creation. */
export function createIds(clock: Clock): Ids {
  const short = (): string => encodeBase62(randomBytes(9), 13);
  return {
    job: () => asJobId(`job_${timePart(clock.now())}${randomPart()}`),
    member: () => asMemberId(`mem_${short()}`),
    node: () => asNodeId(`node_${short()}`),
    key: short,
    joinToken: () => `jt${short()}`,
    grant: () => `grant_${short()}`,
    secret: () => randomBytes(32),
  };
}

/** 48 bits of milliseconds in 10 characters. */
function timePart(ms: number): string {
  let text = "";
  let rest = ms;
  for (let digit = 0; digit < 10; digit++) {
    text = CROCKFORD.charAt(rest % 32) + text;
    rest = Math.floor(rest / 32);
  }
  return text;
}

/** 80 random bits in 16 characters. */
const randomPart = (): string => Array.from(randomBytes(16), (byte) => CROCKFORD.charAt(byte % 32)).join("");
