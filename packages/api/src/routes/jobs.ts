import { asJobId, asMemberId, explainPlacement, isTerminal } from "@coop/core";
import type { Clock, CoopSettings, JobDesk, JobRecord, MemberStore, OutputLog } from "@coop/core";
import { chatCompletionRequestSchema, embeddingsRequestSchema, submitJobRequestSchema } from "@coop/protocol";
import type { JobView, SubmitJobRequest } from "@coop/protocol";
import { Hono } from "hono";
import type { Admission } from "../admission.ts";
import type { ApiContext, ApiDefaults, ApiEnv } from "../deps.ts";
import { chatWork } from "../dialects/openai/chat-request.ts";
import { embeddingsWork } from "../dialects/openai/embeddings-request.ts";
import type { FleetView } from "../fleet-view.ts";
import { admissionHeaders, setJobHeader } from "../job-headers.ts";
import { jobView, nodeNames, whereaboutsInList } from "../job-view.ts";
import { badRequest, notFound, ProblemError } from "../problem.ts";
import { parseBody, readJson, readRequest } from "../request-body.ts";
import { readOptions } from "../request-options.ts";
import { readStoredOutput } from "../stored-output.ts";
import type { Work } from "../submission.ts";
import { jobEvents } from "./job-events.ts";
import { jobResponse } from "./job-response.ts";

export interface JobRoutesDeps {
  readonly clock: Clock;
  readonly desk: JobDesk;
  readonly output: OutputLog;
  readonly members: MemberStore;
  readonly fleet: FleetView;
  readonly admit: Admission;
  readonly defaults: ApiDefaults;
  readonly settings: CoopSettings;
}

const LIST_DEFAULT = 20;
const LIST_MOST = 200;

/** `/v1/jobs`: jobs that run whoever watches. */
export function jobRoutes(deps: JobRoutesDeps): Hono<ApiEnv> {
  const routes = new Hono<ApiEnv>();
  routes.post("/", async (c) => submit(deps, c));
  routes.get("/", async (c) => list(deps, c));
  routes.get("/:id", async (c) => {
    const record = await ownJob(deps.desk, c);
    return c.json(await viewOf(deps, record));
  });
  routes.get("/:id/events", async (c) => jobEvents(deps, c, await ownJob(deps.desk, c)));
  routes.get("/:id/response", async (c) => jobResponse(deps, c, await ownJob(deps.desk, c)));
  routes.get("/:id/placement", async (c) => c.json(await placementOf(deps, await ownJob(deps.desk, c))));
  routes.delete("/:id", async (c) => cancel(deps, c));
  return routes;
}

async function submit(deps: JobRoutesDeps, c: ApiContext): Promise<Response> {
  const body = await readJson(c);
  const request = parseBody(submitJobRequestSchema, body.value);
  const work = workOf(c, request);
  const { privacy, session, idempotency } = readOptions(c, body.text, work.conversation);
  const { defaults, clock } = deps;
  const lastsMs =
    request.deadlineSeconds === undefined ? defaults.detachedDeadlineMs : request.deadlineSeconds * 1000;
  const admitted = await deps.admit(
    c.get("caller"),
    {
      work,
      privacy,
      session,
      idempotency,
      band: request.band,
      attachment: "detached",
      streamed: false,
      deadlineMs: clock.now() + lastsMs,
      metadata: { ...work.labels, ...request.metadata },
    },
    admissionHeaders(c),
  );
  const record = await deps.desk.read(admitted.job);
  if (record === null) {
    throw new ProblemError(410, {
      code: "job_gone",
      message: `Job ${admitted.job} is no longer kept.`,
      param: "Idempotency-Key",
      repeat: false,
    });
  }
  return c.json(await viewOf(deps, record), 202, { Location: `/v1/jobs/${admitted.job}` });
}

function workOf(c: ApiContext, { endpoint, request }: SubmitJobRequest): Work {
  return endpoint === "chat"
    ? chatWork(readRequest(c, chatCompletionRequestSchema, request, ["request"]))
    : embeddingsWork(readRequest(c, embeddingsRequestSchema, request, ["request"]));
}

/** `?limit`, `?cursor`; operators may ask for another member's with `?member`. */
async function list(deps: JobRoutesDeps, c: ApiContext): Promise<Response> {
  const { member } = c.get("caller");
  const limit = Number(c.req.query("limit") ?? LIST_DEFAULT);
  if (!Number.isInteger(limit) || limit < 1 || limit > LIST_MOST)
    throw badRequest(`limit must be a whole number from 1 to ${LIST_MOST}.`, "limit");
  const cursor = c.req.query("cursor") ?? null;
  const wanted = c.req.query("member");
  if (wanted !== undefined && wanted !== member.id && member.role !== "operator") {
    throw new ProblemError(403, {
      code: "operators_only",
      message: "Only operators may list another member's jobs.",
      param: "member",
    });
  }
  const page = await deps.desk.list(wanted === undefined ? member.id : asMemberId(wanted), { limit, cursor });
  const names = nodeNames(await deps.fleet.latest());
  return c.json({
    object: "list",
    data: page.jobs.map((job) => jobView(job, whereaboutsInList(job, names), null)),
    nextCursor: page.nextCursor,
  });
}

/** The caller's job, or any for an operator. Another member's job is as unknown as one that never was. */
async function ownJob(desk: JobDesk, c: ApiContext): Promise<JobRecord> {
  const { member } = c.get("caller");
  const id = c.req.param("id") ?? "";
  const record = /^job_[0-9a-z]{1,60}$/.test(id) ? await desk.read(asJobId(id)) : null;
  if (record === null || (record.spec.member !== member.id && member.role !== "operator")) {
    throw notFound(`You have no job ${JSON.stringify(id.slice(0, 80))}.`, "id");
  }
  setJobHeader(c, record.spec.id);
  return record;
}

/** Where nothing is kept, the view leaves the output out: `/response` and `/events` deliver it, once. */
async function viewOf(deps: JobRoutesDeps, record: JobRecord): Promise<JobView> {
  const { state, spec } = record;
  const shown = state.state === "succeeded" && deps.settings.retentionMs > 0;
  const output = shown ? await readStoredOutput(deps.output, spec.id) : null;
  const decision = state.state === "queued" ? undefined : (await deps.desk.placement(spec.id))?.decision;
  if (decision?.kind === "assigned") return jobView(record, decision, output);
  return jobView(record, whereaboutsInList(record, nodeNames(await deps.fleet.latest())), output);
}

/** The decision that placed it; for a job that waits, what placement would make of it in the fleet as it is. */
async function placementOf(deps: JobRoutesDeps, record: JobRecord) {
  if (record.state.state === "queued") {
    return explainPlacement(record.spec, await deps.fleet.known(), deps.clock.now(), record.excludedNodes);
  }
  const stored = await deps.desk.placement(record.spec.id);
  if (stored === null) throw notFound(`Job ${record.spec.id} ended before it was placed.`);
  return stored;
}

/** Cancelling a job that has ended changes nothing; the answer is the job as it is. */
async function cancel(deps: JobRoutesDeps, c: ApiContext): Promise<Response> {
  const found = await ownJob(deps.desk, c);
  if (!isTerminal(found.state))
    await deps.desk.cancel(found.spec.id, found.spec.member, "member", deps.clock.now());
  const record = await deps.desk.read(found.spec.id);
  if (record === null) throw notFound(`Job ${found.spec.id} is no longer kept.`, "id");
  return c.json(await viewOf(deps, record));
}
