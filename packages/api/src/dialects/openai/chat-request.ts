import type { Capability } from "@coop/core";
import type { ChatCompletionRequest, EngineRequest } from "@coop/protocol";
import { badRequest } from "../../problem.ts";
import type { Work } from "../../submission.ts";
import { labelsOf } from "./labels.ts";
import { countImages, readMessages } from "./messages.ts";

/** Reading a chat completion request of the OpenAI dialect as work for an engine. Pure: no I/O. */

type ChatEngineRequest = Extract<EngineRequest, { kind: "chat" }>;
type Tools = NonNullable<ChatEngineRequest["tools"]>;

/** @throws ProblemError 400 that names a field which is wrong or asks for what no engine here can do */
export function chatWork(request: ChatCompletionRequest): Work {
  const messages = [...readMessages(request.messages)];
  const { tools, required } = readTools(request);
  const format = readFormat(request, tools);
  const think = readThink(request);
  const topLogprobs = readLogprobs(request);
  const images = countImages(messages);

  const text = JSON.stringify([
    messages.map((message) => ({ ...message, images: undefined })),
    tools,
    format,
  ]);
  const needs: Capability[] = [];
  if (tools.length > 0) needs.push("tools");
  if (images > 0) needs.push("vision");
  if (think !== undefined && think !== false) needs.push("thinking");

  return {
    endpoint: "chat",
    requested: request.model,
    prompt: { bytes: Buffer.byteLength(text), images },
    longest: { bytes: Buffer.byteLength(text), images },
    needs,
    maxOutputTokens: request.max_completion_tokens ?? request.max_tokens ?? null,
    conversation: request.prompt_cache_key ?? null,
    labels: labelsOf(request),
    engineRequest: (maxOutputTokens) => ({
      kind: "chat",
      messages,
      ...(tools.length > 0 && { tools }),
      ...(required && { toolChoice: "required" as const }),
      ...(tools.length > 0 && request.parallel_tool_calls === false && { parallelToolCalls: false }),
      ...(format !== undefined && { format }),
      ...(think !== undefined && { think }),
      ...(topLogprobs !== null && { topLogprobs }),
      sampling: readSampling(request),
      maxOutputTokens,
    }),
  };
}

/** A function chosen by name is a choice that is required among that one alone. */
function readTools({ tools: given, tool_choice: choice }: ChatCompletionRequest): {
  readonly tools: Tools;
  readonly required: boolean;
} {
  const tools = (given ?? []).map(({ function: { name, description, parameters } }) => ({
    name,
    ...(typeof description === "string" && { description }),
    ...(parameters && { parameters }),
  }));
  if (choice === "none") return { tools: [], required: false };
  if (choice === "auto" || choice === null || choice === undefined) return { tools, required: false };
  const chosen = choice === "required" ? tools : tools.filter(({ name }) => name === choice.function.name);
  if (chosen.length === 0) {
    throw choice === "required"
      ? badRequest("tool_choice: required needs tools to choose from.", "tool_choice")
      : badRequest("tool_choice.function.name: is none of the tools.", "tool_choice.function.name");
  }
  return { tools: chosen, required: true };
}

/** Engines hold a model to a format by its grammar, which leaves it no way to call a tool. */
function readFormat(
  { response_format: format }: ChatCompletionRequest,
  tools: Tools,
): ChatEngineRequest["format"] {
  if (format === null || format === undefined || format.type === "text") return undefined;
  if (tools.length > 0) {
    throw badRequest(
      `response_format: no engine here can both call tools and be held to ${format.type}; ask for one of them, or set tool_choice to none.`,
      "response_format",
    );
  }
  return format.type === "json_object" ? "json" : format.json_schema.schema;
}

/** Undefined leaves it to the model. */
function readThink({ reasoning_effort: effort }: ChatCompletionRequest): ChatEngineRequest["think"] {
  switch (effort) {
    case "none":
    case "minimal":
      return false;
    case "xhigh":
      return "high";
    default:
      return effort ?? undefined;
  }
}

/** How many alternatives a token's log probability comes with; null when none were asked for. */
function readLogprobs({ logprobs, top_logprobs: top }: ChatCompletionRequest): number | null {
  if (logprobs === true) return top ?? 0;
  if (typeof top === "number") throw badRequest("top_logprobs: needs logprobs to be true.", "top_logprobs");
  return null;
}

function readSampling(request: ChatCompletionRequest): ChatEngineRequest["sampling"] {
  const {
    temperature,
    top_p: topP,
    seed,
    stop,
    frequency_penalty: frequencyPenalty,
    presence_penalty: presencePenalty,
  } = request;
  return {
    ...(typeof temperature === "number" && { temperature }),
    ...(typeof topP === "number" && { topP }),
    ...(typeof seed === "number" && { seed }),
    ...(stop && { stop: typeof stop === "string" ? [stop] : stop }),
    ...(typeof frequencyPenalty === "number" && { frequencyPenalty }),
    ...(typeof presencePenalty === "number" && { presencePenalty }),
  };
}
