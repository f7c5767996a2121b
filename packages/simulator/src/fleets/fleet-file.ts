import { findMachineProfile, machineProfiles, OperationalError } from "@coop/core";
import type { MachineRow } from "@coop/core";
import { z } from "zod";
import type { NodeWish } from "./build-node.ts";

const absenceSchema = z
  .object({ fromS: z.number().min(0), untilS: z.number().positive() })
  .refine(({ fromS, untilS }) => fromS < untilS, "an absence ends after it begins");

const nodeSchema = z.strictObject({
  profile: z.string(),
  name: z.string().min(1).optional(),
  /** Machines like this one. */
  count: z.number().int().min(1).max(10_000).default(1),
  owner: z.string().optional(),
  slots: z.number().int().min(1).max(64).optional(),
  models: z.array(z.string()).min(1).optional(),
  contextTokens: z.number().int().min(512).optional(),
  interference: z.number().min(0).max(1).optional(),
  speed: z.number().min(0.05).max(20).optional(),
  lostWhenHot: z.number().min(0).max(0.9).optional(),
  tokensPerDay: z.number().int().positive().nullable().optional(),
  tokensPerMonth: z.number().int().positive().nullable().optional(),
  absences: z.array(absenceSchema).optional(),
});

const fleetSchema = z.strictObject({ nodes: z.array(nodeSchema).min(1) });

export const FLEET_FORM =
  '{"nodes": [{"profile": "m4-pro-48", "name": "mini", "slots": 2, "models": ["qwen3:8b"], "count": 1, ...}]}; each node ' +
  "may also say owner, contextTokens, interference, speed, lostWhenHot, tokensPerDay, tokensPerMonth, absences";

/** @throws OperationalError `bad-fleet-file` naming the field, `unknown-profile` */
export function parseFleet(text: string, file: string): readonly NodeWish[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new OperationalError("bad-fleet-file", `${file} is not JSON. A fleet is ${FLEET_FORM}.`, { cause });
  }
  const fleet = fleetSchema.safeParse(value);
  if (!fleet.success) {
    const issue = fleet.error.issues[0];
    const where = issue === undefined ? "" : `${issue.path.join(".")}: ${issue.message}`;
    throw new OperationalError("bad-fleet-file", `${file}: ${where}. A fleet is ${FLEET_FORM}.`);
  }
  return fleet.data.nodes.flatMap(({ profile, count, ...node }) => {
    const machine = machineOf(profile);
    const name = node.name ?? machine.profile;
    return Array.from({ length: count }, (_, place) => ({
      ...node,
      machine,
      name: count === 1 ? name : `${name}-${place + 1}`,
    }));
  });
}

/**
 * The row of a profile's key, or of the beginning of exactly one.
 * @throws OperationalError `unknown-profile` with the profiles there are
 */
export function machineOf(profile: string): MachineRow {
  const exact = findMachineProfile(profile);
  if (exact !== null) return exact;
  const [only, ...others] = machineProfiles.filter((row) => row.profile.startsWith(profile));
  if (only !== undefined && others.length === 0) return only;
  const known = machineProfiles.map((row) => row.profile).join(", ");
  throw new OperationalError("unknown-profile", `"${profile}" is not one of the machines known: ${known}.`);
}
