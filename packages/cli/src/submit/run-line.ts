import { jobViewSchema } from "@coop/protocol";
import type { JobView, Problem } from "@coop/protocol";
import { z } from "zod";
import { CliError } from "../cli-error.ts";
import { RefusedError } from "../client.ts";
import type { CoopClient } from "../client.ts";
import { requestBody } from "./batch-file.ts";
import type { BatchLine } from "./batch-file.ts";
import type { SubmittedLine } from "./journal.ts";
import type { Pace } from "./pace.ts";
import { idempotencyKey } from "./run.ts";
import type { Run } from "./run.ts";

/** What became of a line. */
export type LineOutcome =
  /** `body`: what the endpoint would have answered. */
  | { readonly kind: "answered"; readonly job: JobView; readonly body: unknown }
  /** It failed, expired, or was cancelled. */
  | { readonly kind: "unsuccessful"; readonly job: JobView }
  /** It never became a job. */
  | { readonly kind: "refused"; readonly status: number; readonly problem: Problem };

export interface LineDeps {
  readonly client: CoopClient;
  readonly run: Run;
  /** Apart: a co-op that takes no more jobs still tells of those it has. */
  readonly submitting: Pace;
  readonly looking: Pace;
  readonly pause: (ms: number) => Promise<void>;
  readonly nowMs: () => number;
  /** Told of the line's job as soon as there is one. */
  readonly onSubmitted: (submitted: SubmittedLine) => void;
}

/** An answer that is lost this often is not asked for again. */
const MOST_ROUNDS = 4;
const SHORTEST_LOOK_MS = 100;
const LONGEST_LOOK_MS = 5_000;
/** A job that has taken so long is looked at again after a quarter of it. */
const LOOK_SHARE = 0.25;

/**
 * Carries a line from wherever it is to its end. Safe to repeat: the same line is the same job.
 * @param known its job from an earlier start of the run
 * @throws CliError for what stops the whole run
 */
export async function runLine(
  deps: LineDeps,
  line: BatchLine,
  known: SubmittedLine | null,
): Promise<LineOutcome> {
  let job = known?.job ?? null;
  for (let round = known?.round ?? 1; round <= MOST_ROUNDS; round += 1) {
    if (job === null) {
      const submitted = await submit(deps, line, round);
      if (submitted.kind === "refused") return submitted;
      if (submitted.kind === "gone") continue;
      ({ job } = submitted);
      deps.onSubmitted({ job, round });
    }
    const view = await untilEnded(deps, job);
    const body = view?.state === "succeeded" ? await response(deps, line, view) : null;
    if (view !== null && view.state !== "succeeded") return { kind: "unsuccessful", job: view };
    if (view !== null && body !== null) return { kind: "answered", job: view, body: body.value };
    job = null;
  }
  throw new CliError(
    "job-failed",
    `Line ${line.number} ran ${MOST_ROUNDS} times, and the co-op kept none of its answers until they were read.`,
  );
}

type Submitted =
  | { readonly kind: "job"; readonly job: string }
  /** Its key belongs to a job that is no longer kept. */
  | { readonly kind: "gone" }
  | Extract<LineOutcome, { kind: "refused" }>;

/** Statuses that say something of whoever asks, or of the month, and nothing of the line. */
const ABOUT_ALL_LINES: ReadonlySet<number> = new Set([401, 403, 429]);

async function submit(
  { client, run, submitting }: LineDeps,
  line: BatchLine,
  round: number,
): Promise<Submitted> {
  const { model, privacy, deadlineSeconds } = run.options;
  const body = {
    endpoint: line.endpoint,
    request: requestBody(line, model),
    ...(deadlineSeconds !== null && { deadlineSeconds }),
    metadata: { submit: run.id, line: String(line.number) },
  };
  const headers = {
    "idempotency-key": idempotencyKey(run, line.number, round),
    ...(privacy !== null && { "x-coop-privacy": privacy }),
  };
  try {
    const view = await submitting.run(() => client.post("/v1/jobs", body, jobViewSchema, headers));
    return { kind: "job", job: view.id };
  } catch (error) {
    if (!(error instanceof RefusedError) || error.problem === null) throw error;
    if (error.status === 410) return { kind: "gone" };
    if (ABOUT_ALL_LINES.has(error.status)) throw error;
    return { kind: "refused", status: error.status, problem: error.problem };
  }
}

/** The job once it has ended; null when the co-op does not know it any more. */
async function untilEnded({ client, looking, pause, nowMs }: LineDeps, job: string): Promise<JobView | null> {
  const startedMs = nowMs();
  for (;;) {
    const view = await unlessGone(
      looking.run(() => client.get(`/v1/jobs/${encodeURIComponent(job)}`, jobViewSchema)),
    );
    if (view === null || view.finishedAtMs !== null) return view;
    const waitedMs = nowMs() - startedMs;
    await pause(Math.min(LONGEST_LOOK_MS, Math.max(SHORTEST_LOOK_MS, waitedMs * LOOK_SHARE)));
  }
}

/** Null when it is no longer kept. */
async function response(
  { client, run, looking }: LineDeps,
  line: BatchLine,
  { id }: JobView,
): Promise<{ readonly value: unknown } | null> {
  const isPacked =
    line.endpoint === "embeddings" && requestBody(line, run.options.model)["encoding_format"] === "base64";
  const path = `/v1/jobs/${encodeURIComponent(id)}/response${isPacked ? "?encoding_format=base64" : ""}`;
  const value = await unlessGone(looking.run(() => client.get(path, z.looseObject({}))));
  return value === null ? null : { value };
}

async function unlessGone<T>(asked: Promise<T>): Promise<T | null> {
  try {
    return await asked;
  } catch (error) {
    const isGone =
      error instanceof RefusedError &&
      error.problem !== null &&
      (error.status === 404 || error.status === 410);
    if (isGone) return null;
    throw error;
  }
}
