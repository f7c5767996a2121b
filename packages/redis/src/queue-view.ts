import { Queue } from "bullmq";
import type { Redis } from "ioredis";
import { QUEUE_NAME } from "./bull-queue.ts";

/** The BullMQ queue, to look at: it writes nothing, and its connection is not the one that the queue is written on. */
export type QueueView = Queue;

/** @param redis a connection of its own; the caller closes it */
export const openQueueView = (redis: Redis, prefix: string): QueueView =>
  new Queue(QUEUE_NAME, { connection: redis, prefix, skipMetasUpdate: true });
