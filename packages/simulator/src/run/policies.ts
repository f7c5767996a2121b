import { comparedPolicies } from "../policies/policies.ts";
import { dispatcherPolicy } from "../world/dispatcher-policy.ts";
import type { PolicyMaker } from "../world/policy.ts";

/** Policies that can be asked for by name: ours first. */
export const POLICIES: readonly PolicyMaker[] = [dispatcherPolicy, ...comparedPolicies];
