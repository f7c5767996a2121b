/** What the truth about a job asks of its mirror in BullMQ. */
export type Demand =
  /** Queued, and may be placed now. */
  | "due"
  /** Queued, and waiting out a back-off. */
  | "later"
  /** Leased or running. */
  | "live"
  | "succeeded"
  /** Failed, cancelled or expired. */
  | "unsuccessful"
  /** No job hash: never admitted, or past its retention. */
  | "forgotten";

/** Where BullMQ has a job. `waiting` is both of its lists of jobs that wait, by priority and not. */
export type QueueState = "absent" | "waiting" | "delayed" | "active" | "completed" | "failed";

/** One change of BullMQ. `keep`: nothing to do. `requeue`: from active back to waiting. `postpone`: from active to delayed. */
export type Step =
  | "keep"
  | "add"
  | "add-delayed"
  | "promote"
  | "claim"
  | "complete"
  | "fail"
  | "requeue"
  | "postpone"
  | "remove";

const steps: Readonly<Record<Demand, Readonly<Record<QueueState, Step>>>> = {
  due: {
    absent: "add",
    waiting: "keep",
    delayed: "promote",
    active: "requeue",
    completed: "remove",
    failed: "remove",
  },
  later: {
    absent: "add-delayed",
    waiting: "keep",
    delayed: "keep",
    active: "postpone",
    completed: "remove",
    failed: "remove",
  },
  live: {
    absent: "add",
    waiting: "claim",
    delayed: "promote",
    active: "keep",
    completed: "remove",
    failed: "remove",
  },
  succeeded: {
    absent: "keep",
    waiting: "claim",
    delayed: "remove",
    active: "complete",
    completed: "keep",
    failed: "remove",
  },
  unsuccessful: {
    absent: "keep",
    waiting: "remove",
    delayed: "remove",
    active: "fail",
    completed: "remove",
    failed: "keep",
  },
  forgotten: {
    absent: "keep",
    waiting: "remove",
    delayed: "remove",
    active: "fail",
    completed: "remove",
    failed: "remove",
  },
};

/** The next step that brings BullMQ closer to what is demanded; repeated, it ends at `keep`. Pure. */
export const nextStep = (demand: Demand, queue: QueueState): Step => steps[demand][queue];

/** Where BullMQ has a job after a step that it acknowledged. Pure. */
export function stateAfter(step: Step, before: QueueState): QueueState {
  switch (step) {
    case "keep":
      return before;
    case "add":
    case "promote":
    case "requeue":
      return "waiting";
    case "add-delayed":
    case "postpone":
      return "delayed";
    case "claim":
      return "active";
    case "complete":
      return "completed";
    case "fail":
      return "failed";
    case "remove":
      return "absent";
  }
}

/** What a job's state demands at a time. `state` null: there is no hash. Pure. */
export function demandOf(
  job: { readonly state: JobStateName; readonly notBeforeMs: number } | null,
  nowMs: number,
): Demand {
  if (job === null) return "forgotten";
  switch (job.state) {
    case "queued":
      return job.notBeforeMs <= nowMs ? "due" : "later";
    case "leased":
    case "running":
      return "live";
    case "succeeded":
      return "succeeded";
    case "failed":
    case "cancelled":
    case "expired":
      return "unsuccessful";
  }
}

export const JOB_STATES = [
  "queued",
  "leased",
  "running",
  "succeeded",
  "failed",
  "cancelled",
  "expired",
] as const;
export type JobStateName = (typeof JOB_STATES)[number];
