import type { EngineRequest } from "@coop/protocol";
import { z } from "zod";
import { EngineFault } from "./fault.ts";

/**
 * A call of a tool that the member requires. Ollama cannot be told to call a tool, but it can hold a model to
 * a JSON schema: the model is asked for the call itself as JSON, and its answer becomes the call. Pure: no I/O.
 */

type ChatWork = Extract<EngineRequest, { kind: "chat" }>;
type Tool = NonNullable<ChatWork["tools"]>[number];

export interface ForcedCall {
  /** What the answer is held to. */
  readonly format: Readonly<Record<string, unknown>>;
  /** What the model is told before the conversation. */
  readonly instruction: string;
  /** The call that the answer is; null when it is none, as when it was cut. */
  read(answer: string): { readonly name: string; readonly arguments: string } | null;
}

/**
 * Null when the model decides for itself whether it calls a tool.
 * @throws EngineFault `bad-request` for several tools whose schemas refer to their own parts
 */
export function forcedCall({ tools = [], toolChoice }: ChatWork): ForcedCall | null {
  const [first] = tools;
  if (toolChoice === undefined || first === undefined) return null;
  return tools.length === 1 ? callOfOne(first) : callOfAny(tools);
}

const parametersOf = ({ parameters }: Tool): Readonly<Record<string, unknown>> =>
  parameters ?? { type: "object" };

/** The answer is the arguments alone, so that references inside their schema still begin at its root. */
const callOfOne = (tool: Tool): ForcedCall => ({
  format: parametersOf(tool),
  instruction:
    `Answer by calling the function described here. Write its arguments as a JSON object and nothing else.\n` +
    JSON.stringify(tool),
  read(answer) {
    const value = parseObject(answer);
    return value === null ? null : { name: tool.name, arguments: JSON.stringify(value) };
  },
});

function callOfAny(tools: readonly Tool[]): ForcedCall {
  if (tools.some((tool) => JSON.stringify(tool.parameters ?? {}).includes('"$ref":'))) {
    throw new EngineFault(
      "bad-request",
      "a call of one of several tools cannot be required when their schemas use $ref; name the one to call",
    );
  }
  const names: ReadonlySet<string> = new Set(tools.map(({ name }) => name));
  return {
    format: {
      anyOf: tools.map((tool) => ({
        type: "object",
        properties: { name: { const: tool.name }, arguments: parametersOf(tool) },
        required: ["name", "arguments"],
      })),
    },
    instruction:
      `Answer by calling one of the functions described here. ` +
      `Write {"name": its name, "arguments": its arguments} as JSON and nothing else.\n${JSON.stringify(tools)}`,
    read(answer) {
      const call = callSchema.safeParse(parseObject(answer));
      if (!call.success || !names.has(call.data.name)) return null;
      return { name: call.data.name, arguments: JSON.stringify(call.data.arguments) };
    },
  };
}

const callSchema = z.object({ name: z.string(), arguments: z.record(z.string(), z.unknown()) });

function parseObject(text: string): object | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? value : null;
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}
