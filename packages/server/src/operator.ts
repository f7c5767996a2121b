import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { digestSecret, makeKey, parseKey } from "@coop/api";
import type { AuditTrail, Ids } from "@coop/api";
import { assert, DEFAULT_LIMITS } from "@coop/core";
import type { Clock, KeyRecord, Member, MemberStore } from "@coop/core";
import { isMissing } from "./file-errors.ts";

/** File below the co-op's home with the operator's key. */
export const OPERATOR_KEY_FILE = "operator.key";
const OPERATOR_NAME = "operator";

interface OperatorDeps {
  readonly members: MemberStore;
  readonly ids: Ids;
  readonly clock: Clock;
  readonly pepper: Uint8Array;
  readonly home: string;
  readonly audit: AuditTrail;
}

/**
 * Makes sure that there is an operator with a key in `<home>/operator.key`, readable by the server's user only.
 * @returns the path when a key was written now, null when the one there still works.
 */
export async function ensureOperatorKey(deps: OperatorDeps): Promise<string | null> {
  const path = join(deps.home, OPERATOR_KEY_FILE);
  const kept = await readKeyFile(path);
  if (kept !== null) {
    const parts = parseKey(kept);
    const known = parts ? await deps.members.key(parts.id) : null;
    if (known && serves(known.key, deps.clock.now())) return null;
  }
  const operator = await ensureOperator(deps);
  const id = deps.ids.key();
  const act = { actor: "server", key: null, act: "keys.create" } as const;
  const asked = await deps.audit.record({
    ...act,
    target: operator.id,
    phase: "asked",
    of: null,
    detail: "{}",
  });
  const { text, secret } = makeKey(id, deps.ids.secret());
  await deps.members.addKey({
    id,
    member: operator.id,
    digest: digestSecret(deps.pepper, secret),
    defaultPrivacy: "coop",
    createdAtMs: deps.clock.now(),
    expiresAtMs: null,
    lastUsedAtMs: null,
    revokedAtMs: null,
  });
  await writeFile(path, `${text}\n`, { mode: 0o600 });
  await deps.audit.record({ ...act, target: id, phase: "done", of: asked.seq, detail: "{}" });
  return path;
}

async function ensureOperator(deps: OperatorDeps): Promise<Member> {
  const operator: Member = {
    id: deps.ids.member(),
    name: OPERATOR_NAME,
    role: "operator",
    limits: DEFAULT_LIMITS,
    weight: 1,
    defaultTier: "local-small",
    createdAtMs: deps.clock.now(),
    disabledAtMs: null,
  };
  if (await deps.members.addMember(operator)) return operator;
  const enabled = (await deps.members.members()).filter(
    ({ role, disabledAtMs }) => role === "operator" && disabledAtMs === null,
  );
  const existing = enabled.find(({ name }) => name === OPERATOR_NAME) ?? enabled[0];
  assert(existing !== undefined, "the last operator cannot be disabled");
  return existing;
}

const serves = ({ revokedAtMs, expiresAtMs }: KeyRecord, nowMs: number): boolean =>
  revokedAtMs === null && (expiresAtMs === null || expiresAtMs > nowMs);

async function readKeyFile(path: string): Promise<string | null> {
  try {
    return (await readFile(path, "utf8")).trim();
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
}
