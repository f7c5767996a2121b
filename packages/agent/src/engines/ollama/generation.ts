import type { FinishReason, Usage } from "@coop/core";
import { z } from "zod";
import type { EngineEvent, EngineOutcome, EnginePhase, GenerateLimits, GenerateRequest } from "../engine.ts";
import type { Timing } from "../../timing.ts";
import { readChatAnswer } from "./chat-answer.ts";
import { chatRequest } from "./chat-request.ts";
import { EngineFault } from "./fault.ts";
import type { Loading } from "./loading.ts";
import type { Batched, Occupancy, Stay } from "./occupancy.ts";
import { promptTokensFloor, promptTokensGuess } from "./prompt-length.ts";
import { createRepetitionWatch } from "./repetition.ts";
import type { Transport } from "./transport.ts";
import { Aborted, createWatch } from "./watch.ts";
import type { Watch } from "./watch.ts";
import { chatLineSchema, embedSchema, nanosecondsToMs } from "./wire.ts";
import type { ChatEnd } from "./wire.ts";

/**
 * One generation on Ollama, from request to outcome.
 *
 * G1. Success is a line with `done: true` and nothing else.
 * G2. Leaving, by abort, limit, fault or a consumer that stops reading, destroys the connection, which is
 *     what makes Ollama stop.
 * G3. Counts are the engine's where it counted, else what was seen: a piece of output is taken for a token.
 */
export interface GenerationDeps {
  readonly transport: Transport;
  readonly loading: Loading;
  readonly timing: Timing;
  readonly occupancy: Occupancy;
  /** Whether a cloud serves the model: nothing is to be loaded here. */
  readonly isCloud: (model: string) => boolean;
}

type ChatJob = Extract<GenerateRequest, { kind: "chat" }>;
type EmbedJob = Extract<GenerateRequest, { kind: "embed" }>;

/** Inputs that one call embeds: small enough that each answer comes within the limit of a first token. */
const INPUTS_PER_CALL = 32;
/** The engine must have read at least this share of the fewest tokens that the prompt can be. */
const PLAUSIBLE_SHARE = 0.5;

/** What is known of a generation as it goes. */
interface Course {
  phase: EnginePhase;
  outputTokens: number;
  /** Prompt tokens that the engine has counted, null before. */
  promptTokens: number | null;
  /** The engine has nothing left to do for this request. */
  engineFinished: boolean;
  /** Its turns on the machine while its prompt is processed. */
  reading: Stay<number> | null;
  /** Its share in the model's batch, from the first output on. */
  stay: Stay<Batched> | null;
  readonly startedAtMs: number;
  prefillAtMs: number;
  decodeAtMs: number;
}

export async function* generate(
  deps: GenerationDeps,
  request: GenerateRequest,
  signal: AbortSignal,
  limits: GenerateLimits,
): AsyncGenerator<EngineEvent> {
  const startedAtMs = deps.timing.monotonicMs();
  const course: Course = {
    phase: "loading",
    outputTokens: 0,
    promptTokens: null,
    engineFinished: false,
    reading: null,
    stay: null,
    startedAtMs,
    prefillAtMs: startedAtMs,
    decodeAtMs: startedAtMs,
  };
  const leaving = new AbortController();
  using watch = createWatch(AbortSignal.any([signal, leaving.signal]), limits);
  try {
    refuseOverflow(request);
    yield* load(deps, request, watch, course);
    const outcome =
      request.kind === "chat"
        ? yield* chat(deps, request, watch, course)
        : yield* embed(deps, request, watch, course);
    deps.loading.served(request.model, request.contextTokens);
    yield outcome;
  } catch (error) {
    const cause = watch.cause ?? error;
    if (!(cause instanceof Aborted)) deps.loading.forget(request.model);
    yield outcomeOf(cause, request, course);
  } finally {
    course.reading?.leave();
    course.stay?.leave();
    if (!course.engineFinished) leaving.abort();
  }
}

function refuseOverflow(request: GenerateRequest): void {
  const floor = promptTokensFloor(request);
  if (request.kind === "chat" && floor > request.contextTokens) {
    throw new EngineFault(
      "context-overflow",
      `the prompt has at least ${floor} tokens, the context here is ${request.contextTokens}`,
    );
  }
}

async function* load(
  { loading, timing, occupancy, isCloud }: GenerationDeps,
  { model, contextTokens }: GenerateRequest,
  watch: Watch,
  course: Course,
): AsyncGenerator<EngineEvent, void> {
  watch.check();
  const isReady =
    isCloud(model) || (await watch.await("load", loading.isResident(model, contextTokens, watch.signal)));
  if (!isReady) {
    yield { kind: "loading" };
    const answer = await watch.await("load", loading.load(model, contextTokens));
    if (answer.kind === "failed") throw new EngineFault(answer.class, answer.message);
    if (answer.kind === "aborted") throw new EngineFault("shutdown", "the agent is stopping");
  }
  watch.check();
  course.phase = "prefill";
  course.prefillAtMs = timing.monotonicMs();
  if (!isCloud(model)) course.reading = occupancy.read();
  yield { kind: "prefill" };
}

async function* chat(
  { transport, timing, occupancy, isCloud }: GenerationDeps,
  request: ChatJob,
  watch: Watch,
  course: Course,
): AsyncGenerator<EngineEvent, EngineOutcome> {
  const body = chatRequest(request, request.model, request.contextTokens);
  const batches = await watch.await("first-token", transport.chat(body, watch.signal));
  const repetition = createRepetitionWatch();
  const answer = readChatAnswer(request);

  for (;;) {
    const batch = await watch.await(course.phase === "decode" ? "idle" : "first-token", batches.next());
    if (batch.done === true) throw new EngineFault("truncated", "the engine's output ended early");
    for (const value of batch.value) {
      watch.check();
      const line = chatLineSchema.parse(value);
      const pieces = answer.read(line);
      if (pieces.length > 0 && course.phase !== "decode") {
        course.phase = "decode";
        course.decodeAtMs = timing.monotonicMs();
        course.reading?.leave();
        if (!isCloud(request.model)) course.stay = occupancy.decode(request.model);
      }
      let isLooping = false;
      for (const { deltas, tokens, text } of pieces) {
        course.outputTokens += tokens;
        for (const [at, delta] of deltas.entries())
          yield { kind: "delta", delta, tokens: at === 0 ? tokens : 0 };
        isLooping = repetition.sees(text) || isLooping;
      }
      if (!line.done && !isLooping) continue;
      if (line.done) takeCounts(request, line, course);
      const rest = answer.end(!line.done || line.done_reason === "length");
      if (rest !== null) yield { kind: "delta", ...rest };
      const nowMs = timing.monotonicMs();
      return line.done
        ? chatOutcome(request, line, course, answer.toolCalls, nowMs)
        : cutLoop(request, course, nowMs);
    }
  }
}

/** Takes what the engine counted. @throws EngineFault `truncated` when it cannot have read the whole prompt */
function takeCounts(request: ChatJob, end: ChatEnd, course: Course): void {
  course.engineFinished = true;
  const counted = end.prompt_eval_count ?? 0;
  const floor = promptTokensFloor(request);
  if (counted > 0) course.promptTokens = counted;
  if (end.eval_count !== undefined) course.outputTokens = end.eval_count;
  if (counted > 0 && counted < floor * PLAUSIBLE_SHARE) {
    throw new EngineFault(
      "truncated",
      `the engine read ${counted} tokens of a prompt that has at least ${floor}: it cut the prompt`,
    );
  }
}

function chatOutcome(
  request: ChatJob,
  end: ChatEnd,
  course: Course,
  toolCalls: number,
  nowMs: number,
): EngineOutcome {
  return {
    kind: "done",
    finishReason: finishReason(end.done_reason, toolCalls),
    usage: usageOf(request, course),
    timings: {
      loadMs: course.prefillAtMs - course.startedAtMs + nanosecondsToMs(end.load_duration),
      prefillMs: nanosecondsToMs(end.prompt_eval_duration),
      decodeMs: nanosecondsToMs(end.eval_duration),
      totalMs: nowMs - course.startedAtMs,
    },
    promptTokensCached: end.prompt_eval_cached_count ?? 0,
    ...sharingOf(course),
  };
}

function finishReason(reason: string | undefined, toolCalls: number): FinishReason {
  if (reason === "length") return "length";
  return toolCalls > 0 ? "tool_calls" : "stop";
}

/** A loop is cut as if it had met the limit that it was heading for; what was produced stands and is charged. */
function cutLoop(request: ChatJob, course: Course, nowMs: number): EngineOutcome {
  return {
    kind: "done",
    finishReason: "length",
    usage: usageOf(request, course),
    timings: {
      loadMs: course.prefillAtMs - course.startedAtMs,
      prefillMs: course.decodeAtMs - course.prefillAtMs,
      decodeMs: nowMs - course.decodeAtMs,
      totalMs: nowMs - course.startedAtMs,
    },
    promptTokensCached: 0,
    ...sharingOf(course),
  };
}

async function* embed(
  { transport, timing }: GenerationDeps,
  request: EmbedJob,
  watch: Watch,
  course: Course,
): AsyncGenerator<EngineEvent, EngineOutcome> {
  let promptTokens = 0;
  for (let from = 0; from < request.inputs.length; from += INPUTS_PER_CALL) {
    const input = request.inputs.slice(from, from + INPUTS_PER_CALL);
    const body = {
      model: request.model,
      input,
      truncate: false,
      options: { num_ctx: request.contextTokens },
      ...(request.dimensions === undefined ? {} : { dimensions: request.dimensions }),
    };
    const call = transport.ask("/api/embed", body, watch.signal);
    const { embeddings, prompt_eval_count: counted } = embedSchema.parse(
      await watch.await("first-token", call),
    );
    watch.check();
    if (embeddings.length !== input.length) {
      throw new EngineFault(
        "engine-error",
        `the engine embedded ${embeddings.length} of ${input.length} inputs`,
      );
    }
    promptTokens += counted ?? promptTokensGuess({ ...request, inputs: input });
    course.promptTokens = promptTokens;
    course.phase = "decode";
    for (const [offset, vector] of embeddings.entries()) {
      yield { kind: "delta", delta: { kind: "embedding", index: from + offset, vector }, tokens: 0 };
    }
  }
  course.engineFinished = true;
  const nowMs = timing.monotonicMs();
  return {
    kind: "done",
    finishReason: "stop",
    usage: usageOf(request, course),
    timings: {
      loadMs: course.prefillAtMs - course.startedAtMs,
      prefillMs: nowMs - course.prefillAtMs,
      decodeMs: 0,
      totalMs: nowMs - course.startedAtMs,
    },
    promptTokensCached: 0,
    ...sharingOf(course),
  };
}

/** How much of the machine it had. */
function sharingOf({ reading, stay }: Course): Pick<Done, "occupancy" | "sharers"> {
  const prefill = reading?.leave() ?? 1;
  const { occupancy, sharers: decode } = stay?.leave() ?? ALONE;
  return { occupancy, sharers: { prefill, decode } };
}

type Done = Extract<EngineOutcome, { kind: "done" }>;

const ALONE: Batched = { occupancy: 1, sharers: 1 };

/** The prompt counts once the engine began to read it. */
const usageOf = (request: GenerateRequest, course: Course): Usage => ({
  promptTokens: course.phase === "loading" ? 0 : (course.promptTokens ?? promptTokensGuess(request)),
  outputTokens: course.outputTokens,
});

function outcomeOf(error: unknown, request: GenerateRequest, course: Course): EngineOutcome {
  const usage = usageOf(request, course);
  if (error instanceof Aborted) return { kind: "aborted", usage, phase: course.phase };
  if (error instanceof EngineFault) {
    return { kind: "failed", class: error.failure, message: error.message, usage, phase: course.phase };
  }
  if (error instanceof z.ZodError) {
    const message = "the engine sent something that is not understood";
    return { kind: "failed", class: "engine-error", message, usage, phase: course.phase };
  }
  throw error;
}
