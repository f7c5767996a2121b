import type { Capability } from "@coop/core";
import type { ChatCompletionRequest, ChatMessage, EngineRequest, OpenaiMessage } from "@coop/protocol";
import { badRequest } from "../../problem.ts";
import type { Work } from "../../submission.ts";

/** Reading a chat completion request of the OpenAI dialect as work for an engine. Pure: no I/O. */

type ChatEngineRequest = Extract<EngineRequest, { kind: "chat" }>;
type UserContent = Extract<OpenaiMessage, { role: "user" }>["content"];

/** Most images that one request may carry. */
const MAX_IMAGES = 32;

/** @throws ProblemError 400 for an image that is no data URL, or too many of them. */
export function chatWork(request: ChatCompletionRequest): Work {
  const toolNames = namesOfToolCalls(request.messages);
  const messages = request.messages.map((message, index) => readMessage(message, index, toolNames));
  const tools = request.tool_choice === "none" ? [] : readTools(request);
  const format = readFormat(request);
  const think = readThink(request);
  const images = messages.reduce((sum, message) => sum + (message.images?.length ?? 0), 0);
  if (images > MAX_IMAGES)
    throw badRequest(`messages: at most ${MAX_IMAGES} images a request, this has ${images}.`, "messages");

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
    engineRequest: (maxOutputTokens) => ({
      kind: "chat",
      messages,
      ...(tools.length > 0 && { tools }),
      ...(format !== undefined && { format }),
      ...(think !== undefined && { think }),
      sampling: readSampling(request),
      maxOutputTokens,
    }),
  };
}

/** Engines want the tool's name with its result, the dialect gives only the call's id. */
const namesOfToolCalls = (messages: readonly OpenaiMessage[]): ReadonlyMap<string, string> =>
  new Map(
    messages.flatMap((message) =>
      message.role === "assistant"
        ? (message.tool_calls ?? []).map((call) => [call.id, call.function.name] as const)
        : [],
    ),
  );

function readMessage(
  message: OpenaiMessage,
  index: number,
  toolNames: ReadonlyMap<string, string>,
): ChatMessage {
  switch (message.role) {
    case "system":
    case "developer":
      return { role: "system", content: joinText(message.content) };
    case "user":
      return readUserMessage(message.content, index);
    case "assistant":
      return {
        role: "assistant",
        content: joinText(message.content ?? ""),
        ...(message.tool_calls && {
          toolCalls: message.tool_calls.map(({ id, function: { name, arguments: args } }) => ({
            id,
            name,
            arguments: args,
          })),
        }),
      };
    case "tool": {
      const toolName = toolNames.get(message.tool_call_id);
      return {
        role: "tool",
        content: joinText(message.content),
        toolCallId: message.tool_call_id,
        ...(toolName !== undefined && { toolName }),
      };
    }
  }
}

const joinText = (content: string | readonly { readonly text: string }[]): string =>
  typeof content === "string" ? content : content.map(({ text }) => text).join("");

function readUserMessage(content: UserContent, index: number): ChatMessage {
  if (typeof content === "string") return { role: "user", content };
  const texts: string[] = [];
  const images: string[] = [];
  for (const [part, item] of content.entries()) {
    if (item.type === "text") texts.push(item.text);
    else images.push(readImage(item.image_url.url, `messages[${index}].content[${part}].image_url.url`));
  }
  return { role: "user", content: texts.join("\n"), ...(images.length > 0 && { images }) };
}

/** The base64 of a data URL. Addresses are refused: the co-op fetches nothing on a member's word. */
function readImage(url: string, param: string): string {
  const match = /^data:image\/[a-z0-9.+-]{1,40};base64,([A-Za-z0-9+/]+={0,2})$/i.exec(url);
  if (match?.[1] === undefined) {
    throw badRequest(
      `${param}: must be a data URL, such as data:image/png;base64,...; images are not fetched from addresses.`,
      param,
    );
  }
  return match[1];
}

const readTools = (request: ChatCompletionRequest): NonNullable<ChatEngineRequest["tools"]> =>
  (request.tools ?? []).map(({ function: { name, description, parameters } }) => ({
    name,
    ...(typeof description === "string" && { description }),
    ...(parameters && { parameters }),
  }));

function readFormat({ response_format: format }: ChatCompletionRequest): ChatEngineRequest["format"] {
  switch (format?.type) {
    case "json_object":
      return "json";
    case "json_schema":
      return format.json_schema.schema;
    case "text":
    case undefined:
      return undefined;
  }
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
