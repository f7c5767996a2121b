/** The scheduler: nodes connect to it, it places jobs on them and follows their attempts. */
export { createScheduler } from "./scheduler.ts";
export type { Scheduler, SchedulerState } from "./scheduler.ts";
export type { SchedulerDeps } from "./deps.ts";
export type { Gateway } from "./gateway.ts";
export type { SchedulerTiming } from "./timing.ts";
