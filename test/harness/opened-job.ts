import { deepEqual, equal } from "node:assert/strict";
import { asJobId, START_OF_OUTPUT, sumOfDeltas, type JobSpec, type LeaseRequest } from "@coop/core";
import {
  ada,
  admission,
  day,
  fence,
  job,
  leaseOf,
  limitsOf,
  month,
  noonMs,
  studio,
  success,
} from "./job-requests.ts";
import type { JobStores, OpenJobStores } from "./job-stores.ts";

/** Stores led by fence 1, where `job` was admitted and, where asked, leased to the studio and accepted. */
export async function openJob(
  open: OpenJobStores,
  until: "empty" | "queued" | "leased" | "running",
  changes: Partial<JobSpec> = {},
): Promise<JobStores> {
  const stores = await open();
  await stores.setFence(fence);
  const { jobs } = stores;
  if (until === "empty") return stores;
  equal((await jobs.admit(admission({}, changes))).kind, "admitted");
  if (until === "queued") return stores;
  equal((await jobs.lease(leaseOf())).kind, "leased");
  if (until === "leased") return stores;
  equal(await jobs.accept(fence, job, 1), "running");
  return stores;
}

/** The account of the member whose job it is. */
export const account = async ({ accounting }: JobStores) => {
  const { usedTokens, heldTokens } = await accounting.account(ada, month);
  return { usedTokens, heldTokens };
};

/** The account of the day, which is the month's only one. */
export const nodeAccount = async ({ jobs }: JobStores, node = studio) => {
  const { day: ofDay, month: ofMonth } = await jobs.nodeAccount(node, day);
  deepEqual(ofMonth, ofDay);
  return ofDay;
};

export const stateOf = async ({ jobs }: JobStores, id = job) => (await jobs.read(id))?.state;

/** The job's output as epoch, seq and kind. */
export const kinds = async ({ output }: JobStores) =>
  (await output.read(job, START_OF_OUTPUT)).map(({ position, event }) => [
    position.epoch,
    position.seq,
    event.kind,
  ]);

/** The sum of each ledger entry's deltas that is not zero. */
export const imbalances = async (stores: JobStores) =>
  (await stores.ledger()).map(sumOfDeltas).filter((sum) => sum !== 0);

/** Runs a job named `job_` and this to its end: 30 + 25 tokens. */
export async function serve(
  { jobs }: JobStores,
  name: string,
  on: Partial<LeaseRequest> = {},
  of: Partial<JobSpec> = {},
): Promise<void> {
  const id = asJobId(`job_${name}`);
  await jobs.admit(admission({ limits: limitsOf(null) }, { id, ...of }));
  await jobs.lease(leaseOf({ job: id, ...on }));
  await jobs.finish(fence, id, 1, success(30, 25), noonMs);
}
