import { agentFrameSchema } from "./agent-to-scheduler.ts";
import type { AgentFrame } from "./agent-to-scheduler.ts";
import { schedulerFrameSchema } from "./scheduler-to-agent.ts";
import type { SchedulerFrame } from "./scheduler-to-agent.ts";
import type { z } from "zod";

/** What came of reading a frame. Unknown kinds come from newer peers: log and drop. Bad ones close the socket. */
export type Decoded<Frame> =
  | { readonly kind: "frame"; readonly frame: Frame }
  | { readonly kind: "unknown"; readonly frameKind: string }
  | { readonly kind: "bad"; readonly problem: string };

const kindOf = (value: unknown): string | null =>
  typeof value === "object" && value !== null && "kind" in value && typeof value.kind === "string"
    ? value.kind
    : null;

function decode<Frame>(text: string, schema: z.ZodType<Frame>, kinds: ReadonlySet<string>): Decoded<Frame> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The parser's own words quote the text, which may be a member's: problems are logged.
    return { kind: "bad", problem: "not JSON" };
  }
  const kind = kindOf(value);
  if (kind === null) return { kind: "bad", problem: "no `kind`" };
  if (!kinds.has(kind)) return { kind: "unknown", frameKind: kind.slice(0, 40) };
  const parsed = schema.safeParse(value);
  if (parsed.success) return { kind: "frame", frame: parsed.data };
  const issue = parsed.error.issues[0];
  return {
    kind: "bad",
    problem: `${kind}: ${issue?.path.join(".") ?? ""} ${issue?.message ?? "invalid"}`,
  };
}

const kindsOf = (
  options: readonly { readonly shape: { readonly kind: { readonly value: string } } }[],
): ReadonlySet<string> => new Set(options.map((option) => option.shape.kind.value));

const agentKinds = kindsOf(agentFrameSchema.options);
const schedulerKinds = kindsOf(schedulerFrameSchema.options);

/** Reads a frame from an agent. */
export const decodeAgentFrame = (text: string): Decoded<AgentFrame> =>
  decode(text, agentFrameSchema, agentKinds);
/** Reads a frame from the scheduler. */
export const decodeSchedulerFrame = (text: string): Decoded<SchedulerFrame> =>
  decode(text, schedulerFrameSchema, schedulerKinds);
/** A frame as its writer has it: nothing in it needs to be mutable. */
export type Outgoing<T> = unknown extends T
  ? T
  : T extends string | number | boolean | null | undefined
    ? T
    : { readonly [Key in keyof T]: Outgoing<T[Key]> };

/** Writes a frame of either direction. */
export const encodeFrame = (frame: Outgoing<AgentFrame | SchedulerFrame>): string => JSON.stringify(frame);
