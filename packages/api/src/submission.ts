import type { Capability, Endpoint, JobSpec, Privacy, PromptSize } from "@coop/core";
import type { EngineRequest } from "@coop/protocol";

/** What a dialect made of a request's body: work for an engine, and what admission must know of it. */
export interface Work {
  readonly endpoint: Endpoint;
  /** The `model` field as written: a model's name or a tier's. */
  readonly requested: string;
  readonly prompt: PromptSize;
  /** The longest text that must fit a context at once: the prompt itself, or one input of an embedding. */
  readonly longest: PromptSize;
  /** What the model must be able to do beyond serving the endpoint. */
  readonly needs: readonly Capability[];
  /** The member's limit on output tokens, null when the request sets none. */
  readonly maxOutputTokens: number | null;
  /** The dialect's own key of the conversation, null when it has none. */
  readonly conversation: string | null;
  /** What the body itself says to keep with the job. */
  readonly labels: Readonly<Record<string, string>>;
  /** Writes the request for the engine once its output limit is known. */
  readonly engineRequest: (maxOutputTokens: number) => EngineRequest;
}

/** Work with everything else that a member says about it. */
export interface Submission extends Pick<
  JobSpec,
  "band" | "attachment" | "streamed" | "deadlineMs" | "session"
> {
  readonly work: Work;
  readonly privacy: Privacy;
  readonly metadata: Readonly<Record<string, string>>;
  readonly idempotency: { readonly key: string; readonly bodyHash: string } | null;
}
