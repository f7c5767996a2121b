import {
  asMemberId,
  type Erased,
  type Erasures,
  type JobDesk,
  type MemberId,
  type MemberStore,
  type NodeId,
  type NodeRegistry,
} from "@coop/core";
import { ReplyError, type Redis } from "ioredis";
import { z } from "zod";
import { jobSpecSchema } from "./job-record.ts";
import type { Keys } from "./keys.ts";
import { renameNodes, type NodeNames } from "./rename-nodes.ts";
import type { RunScript } from "./script.ts";
import { answered } from "./store-unavailable.ts";

/**
 * Erasing a member, step by step. E1: the member is marked before anything is removed, and unmarked after all of it.
 * E2: each step may be done again. E3: what no index leads to is looked for in all keys, last, when nothing of the
 * member can come to be any more.
 */

export interface ErasuresOptions {
  readonly redis: Redis;
  readonly keys: Keys;
  readonly run: RunScript;
  readonly members: MemberStore;
  readonly nodes: NodeRegistry;
  readonly desk: Pick<JobDesk, "cancelAttached">;
}

interface Erasing extends ErasuresOptions {
  readonly member: MemberId;
  readonly nowMs: number;
}

const JOBS_AT_ONCE = 100;
const SCAN_KEYS = 1_000;
const NAME_TAIL = 6;

const flag = z.union([z.literal(0), z.literal(1)]);

/** Takes content and names out of Redis. */
export function createErasures(options: ErasuresOptions): Erasures {
  const { redis, keys, run, members } = options;
  return {
    async forgetJob(job) {
      return flag.parse(await run("deliver", keys.job(job), [job])) === 1;
    },
    async eraseMember(member, nowMs) {
      const outcome = await members.disableMember(member, nowMs);
      if (outcome !== "disabled") return { kind: outcome };
      await run("mark-erased", keys.erasedMembers, [member, nowMs]);
      const erasing = { ...options, member, nowMs };
      const keyIds = await revokeKeys(erasing);
      const jobs = await eraseJobs(erasing);
      const names = await eraseNodes(erasing);
      await eraseName(erasing);
      await eraseElsewhere(erasing, names);
      await removeKeys(erasing, keyIds);
      await answered(redis.srem(keys.erasing, member));
      const journal = await rewriteJournal(redis);
      return { kind: "erased", jobs, keys: keyIds.length, nodes: names.size, journal };
    },
    async unfinished() {
      return (await answered(redis.smembers(keys.erasing))).map(asMemberId);
    },
    async erasedAtMs(member) {
      const at = await answered(redis.hget(keys.erasedMembers, member));
      return at === null ? null : Number(at);
    },
  };
}

/** From here on nothing is admitted for the member, and who has a stream open hears why it ends. */
async function revokeKeys({ members, desk, member, nowMs }: Erasing): Promise<readonly string[]> {
  const ids = (await members.keys(member)).map(({ id }) => id);
  await Promise.all(ids.map((id) => members.revokeKey(id, nowMs)));
  await desk.cancelAttached(member, null, nowMs);
  return ids;
}

async function eraseJobs({ redis, keys, run, member, nowMs }: Erasing): Promise<number> {
  const list = keys.memberJobs(member);
  let erased = 0;
  for (;;) {
    // Each page is what the one before left: the script takes a job out of the list.
    // oxlint-disable-next-line no-await-in-loop
    const ids = await answered(redis.zrange(list, 0, String(JOBS_AT_ONCE - 1)));
    if (ids.length === 0) return erased;
    // oxlint-disable-next-line no-await-in-loop
    const found = await Promise.all(
      ids.map(async (id) => {
        const spec = await answered(redis.hget(keys.job(id), "spec"));
        const bare = spec === null ? "" : withoutSession(spec);
        return flag.parse(await run("erase-job", keys.job(id), [id, member, bare, nowMs]));
      }),
    );
    erased += found.filter((there) => there === 1).length;
  }
}

const withoutSession = (text: string): string =>
  JSON.stringify({ ...jobSpecSchema.parse(JSON.parse(text)), session: null });

/** Revokes the member's nodes and names them anew. */
async function eraseNodes({ nodes, keys, run, member, nowMs }: Erasing): Promise<NodeNames> {
  const own = (await nodes.nodes()).filter(({ owner }) => owner === member);
  const names = new Map<NodeId, string>(own.map(({ id }) => [id, `erased-${id.slice(-NAME_TAIL)}`]));
  await Promise.all(
    [...names].map(async ([id, name]) => {
      await nodes.revokeNode(id, nowMs);
      await run("erase-node", keys.node(id), [name]);
    }),
  );
  return names;
}

async function eraseName({ members, member }: Erasing): Promise<void> {
  const short = `erased-${member.slice(-NAME_TAIL)}`;
  if ((await members.setMember(member, { name: short })) === "name-taken")
    await members.setMember(member, { name: `erased-${member}` });
}

/** Looks at all keys for what no index leads to (E3). */
async function eraseElsewhere(erasing: Erasing, names: NodeNames): Promise<void> {
  const { redis, keys } = erasing;
  let cursor = "0";
  do {
    // A cursor comes with the answer before.
    // oxlint-disable-next-line no-await-in-loop
    const [next, found] = await answered(redis.scan(cursor, "MATCH", keys.everything, "COUNT", SCAN_KEYS));
    // oxlint-disable-next-line no-await-in-loop
    await Promise.all(found.map(async (key) => eraseKey(erasing, names, key)));
    cursor = next;
  } while (cursor !== "0");
}

async function eraseKey({ redis, keys, run, member }: Erasing, names: NodeNames, key: string): Promise<void> {
  if (key.startsWith(keys.idempotency(member, ""))) await answered(redis.del(key));
  else if (key.startsWith(keys.joinToken(""))) {
    if ((await answered(redis.hget(key, "member"))) === member) await answered(redis.del(key));
  } else if (names.size > 0) await renameNodes({ redis, keys, run }, names, key);
}

/** The append-only file holds what was removed until it is rewritten, which Redis does by itself only when it is large. */
async function rewriteJournal(redis: Redis): Promise<Erased["journal"]> {
  if (!/^aof_enabled:1/m.test(await answered(redis.info("persistence")))) return "none";
  try {
    await answered(redis.bgrewriteaof());
    return "rewriting";
  } catch (error) {
    // It is being rewritten from before, or this user of Redis may not.
    if (error instanceof ReplyError) return "kept";
    throw error;
  }
}

/** Last of all: while a key is there, a request that came with it is told that it was revoked. */
async function removeKeys({ redis, keys, member }: Erasing, ids: readonly string[]): Promise<void> {
  const all = [keys.memberKeys(member), keys.nodeNames(member), ...ids.map((id) => keys.apiKey(id))];
  await answered(redis.del(...all));
}
