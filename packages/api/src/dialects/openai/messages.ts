import type { ChatMessage, OpenaiMessage } from "@coop/protocol";
import { badRequest } from "../../problem.ts";

/** Reading the messages of the OpenAI dialect. Pure: no I/O. */

type UserContent = Extract<OpenaiMessage, { role: "user" }>["content"];
type AssistantMessage = Extract<OpenaiMessage, { role: "assistant" }>;

/** Most images that one request may carry. */
const MAX_IMAGES = 32;

/**
 * @throws ProblemError 400 for an image that is no data URL, or too many of them; for a call's arguments that
 * are no JSON object; for a tool's result that no call before it asked for
 */
export function readMessages(messages: readonly OpenaiMessage[]): readonly ChatMessage[] {
  const toolNames = new Map<string, string>();
  const read = messages.map((message, index) => readMessage(message, index, toolNames));
  const images = countImages(read);
  if (images > MAX_IMAGES)
    throw badRequest(`messages: at most ${MAX_IMAGES} images a request, this has ${images}.`, "messages");
  return read;
}

export const countImages = (messages: readonly ChatMessage[]): number =>
  messages.reduce((sum, message) => sum + (message.images?.length ?? 0), 0);

/** @param toolNames names of the calls so far by id: engines want them with the results, the dialect has ids */
function readMessage(message: OpenaiMessage, index: number, toolNames: Map<string, string>): ChatMessage {
  switch (message.role) {
    case "system":
    case "developer":
      return { role: "system", content: joinText(message.content) };
    case "user":
      return readUserMessage(message.content, index);
    case "assistant":
      return readAssistantMessage(message, index, toolNames);
    case "tool": {
      const toolName = toolNames.get(message.tool_call_id);
      if (toolName === undefined) {
        throw badRequest(
          `messages[${index}].tool_call_id: no message before it calls a tool with this id.`,
          `messages[${index}].tool_call_id`,
        );
      }
      return {
        role: "tool",
        content: joinText(message.content),
        toolCallId: message.tool_call_id,
        toolName,
      };
    }
  }
}

const joinText = (content: string | readonly { readonly text: string }[]): string =>
  typeof content === "string" ? content : content.map(({ text }) => text).join("");

function readAssistantMessage(
  message: AssistantMessage,
  index: number,
  toolNames: Map<string, string>,
): ChatMessage {
  const calls = message.tool_calls ?? [];
  for (const [at, { id, function: called }] of calls.entries()) {
    toolNames.set(id, called.name);
    if (isJsonObject(called.arguments)) continue;
    const param = `messages[${index}].tool_calls[${at}].function.arguments`;
    throw badRequest(`${param}: must be the text of a JSON object.`, param);
  }
  const reasoning = message.reasoning_content ?? message.reasoning ?? "";
  return {
    role: "assistant",
    content: joinText(message.content ?? ""),
    ...(reasoning !== "" && { reasoning }),
    ...(calls.length > 0 && {
      toolCalls: calls.map(({ id, function: { name, arguments: args } }) => ({ id, name, arguments: args })),
    }),
  };
}

/** No text at all is how some clients write that a call has no arguments. */
function isJsonObject(text: string): boolean {
  if (text === "") return true;
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}

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
