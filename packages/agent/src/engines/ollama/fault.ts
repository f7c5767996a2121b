import type { FailureClass } from "@coop/core";

/** What went wrong between agent and engine, classed where it was seen; `generate` turns it into an outcome. */
export class EngineFault extends Error {
  override readonly name = "EngineFault";
  readonly failure: FailureClass;

  constructor(failure: FailureClass, message: string, options?: ErrorOptions) {
    super(message, options);
    this.failure = failure;
  }
}

const LONGEST_QUOTE = 240;

/** What Ollama's own words say, first match wins. The words are those of its server and of llama.cpp under it. */
const spokenClasses: readonly { readonly words: RegExp; readonly failure: FailureClass }[] = [
  { words: /server busy|maximum pending requests|queue is full/i, failure: "busy" },
  {
    words:
      /out of memory|more system memory|not enough (system )?memory|insufficient memory|unable to allocate|failed to allocate|cudaMalloc/i,
    failure: "out-of-memory",
  },
  {
    words:
      /context (length|size|window)|exceed_context_size|exceeds the (available )?context|prompt is too long/i,
    failure: "context-overflow",
  },
  {
    words: /pars\w*.{0,40}tool|tool.{0,40}pars|xml syntax error|harmony|invalid tool call/i,
    failure: "model-output",
  },
  { words: /timed out waiting for|load(ing)? timed? ?out|timeout.{0,30}load/i, failure: "load-timeout" },
  {
    words: /model\b.{0,300}\bnot found|no such model|pull(ing)? (it|the model) first/i,
    failure: "model-missing",
  },
];

/**
 * Classes an error that the engine spoke, by its HTTP status and its words.
 * @param status of the response; 200 for an error line inside a stream
 */
export function classifySpokenError(status: number, words: string): FailureClass {
  if (status === 503) return "busy";
  const spoken = spokenClasses.find((candidate) => candidate.words.test(words));
  if (spoken !== undefined) return spoken.failure;
  if (status === 404) return "model-missing";
  if (status === 400 || status === 413 || status === 422) return "bad-request";
  return "engine-error";
}

/**
 * A fault from words that the engine spoke. A complaint about a model's tool call quotes the model's
 * output, which is the member's alone, so those words are left out.
 */
export function spokenFault(status: number, words: string): EngineFault {
  const failure = classifySpokenError(status, words);
  if (failure === "model-output") {
    return new EngineFault(
      failure,
      "the model produced a tool call that the engine could not read; try again, or another model",
    );
  }
  const quote = words.length > LONGEST_QUOTE ? `${words.slice(0, LONGEST_QUOTE)}...` : words;
  return new EngineFault(
    failure,
    status === 200 ? `the engine broke off: ${quote}` : `the engine answered ${status}: ${quote}`,
  );
}
