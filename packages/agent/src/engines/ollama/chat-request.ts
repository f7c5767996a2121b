import type { ChatRequest, Message, Options, Tool } from "ollama";
import type { ChatMessage, EngineRequest } from "@coop/protocol";
import { EngineFault } from "./fault.ts";
import { forcedCall } from "./forced-call.ts";

type ChatWork = Extract<EngineRequest, { kind: "chat" }>;

/** What the library's types do not name but Ollama takes: refuse instead of cutting the prompt or forgetting its start. */
interface Unbending {
  readonly truncate: false;
  readonly shift: false;
}

/**
 * A chat in Ollama's words. Only these options are ever sent: `num_ctx` is the node's own, pinned figure
 * (another would load the model anew), and `num_predict` always bounds the output.
 * @throws EngineFault `bad-request` for an image that is not base64 or a tool call whose arguments are no JSON object
 */
export function chatRequest(
  work: ChatWork,
  model: string,
  contextTokens: number,
): ChatRequest & Unbending & { stream: true } {
  const forced = forcedCall(work);
  const messages = work.messages.map(chatMessage);
  const format = forced?.format ?? work.format;
  return {
    model,
    messages: forced === null ? messages : [{ role: "system", content: forced.instruction }, ...messages],
    stream: true,
    truncate: false,
    shift: false,
    options: chatOptions(work, contextTokens),
    ...(forced !== null || work.tools === undefined || work.tools.length === 0
      ? {}
      : { tools: work.tools.map(tool) }),
    ...(format === undefined ? {} : { format }),
    ...(work.think === undefined ? {} : { think: work.think }),
    ...(work.topLogprobs === undefined ? {} : { logprobs: true, top_logprobs: work.topLogprobs }),
  };
}

function chatOptions(work: ChatWork, contextTokens: number): Partial<Options> {
  const { temperature, topP, seed, stop, frequencyPenalty, presencePenalty } = work.sampling;
  return {
    num_ctx: contextTokens,
    num_predict: work.maxOutputTokens,
    ...(temperature === undefined ? {} : { temperature }),
    ...(topP === undefined ? {} : { top_p: topP }),
    ...(seed === undefined ? {} : { seed }),
    ...(stop === undefined ? {} : { stop }),
    ...(frequencyPenalty === undefined ? {} : { frequency_penalty: frequencyPenalty }),
    ...(presencePenalty === undefined ? {} : { presence_penalty: presencePenalty }),
  };
}

function chatMessage(message: ChatMessage): Message & { tool_call_id?: string } {
  return {
    role: message.role,
    content: message.content,
    ...(message.reasoning === undefined ? {} : { thinking: message.reasoning }),
    ...(message.images === undefined ? {} : { images: message.images.map(plainBase64) }),
    ...(message.toolCalls === undefined
      ? {}
      : {
          tool_calls: message.toolCalls.map((call) => ({
            id: call.id,
            function: { name: call.name, arguments: toolArguments(call.arguments) },
          })),
        }),
    ...(message.toolName === undefined ? {} : { tool_name: message.toolName }),
    ...(message.toolCallId === undefined ? {} : { tool_call_id: message.toolCallId }),
  };
}

/**
 * An image's base64 in its plain form. Text that is no base64 goes no further: Ollama's own library would
 * take it for the name of a file of this machine.
 */
function plainBase64(text: string): string {
  const bytes = Buffer.from(text, "base64");
  if (bytes.length === 0 || !/^[A-Za-z0-9+/\s]+={0,2}\s*$/.test(text)) {
    throw new EngineFault(
      "bad-request",
      "an image is not base64; send its bytes in base64, without a data URL's prefix",
    );
  }
  return bytes.toString("base64");
}

function toolArguments(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text === "" ? "{}" : text);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return { ...value };
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw new EngineFault("bad-request", "the arguments of an earlier tool call are no JSON object");
}

const tool = (definition: NonNullable<ChatWork["tools"]>[number]): Tool => ({
  type: "function",
  function: {
    name: definition.name,
    ...(definition.description === undefined ? {} : { description: definition.description }),
    ...(definition.parameters === undefined ? {} : { parameters: definition.parameters }),
  },
});
