import type { EngineRequest } from "@coop/protocol";

/** What is compared, and how far apart, characters: any quote of at least `WINDOW + STRIDE - 1` is found. */
const WINDOW = 12;
const STRIDE = 4;

/**
 * An engine's words about a failure, which are kept and shown beyond this node, without what they may quote of
 * the request: words that share a longer passage with it are left out whole.
 */
export function unquoted(words: string, request: EngineRequest): string {
  const texts = [...textsOf(request)];
  for (let from = 0; from + WINDOW <= words.length; from += STRIDE) {
    const window = words.slice(from, from + WINDOW);
    if (texts.some((text) => text.includes(window)))
      return "the engine's words are left out, because they quote the request";
  }
  return words;
}

function* textsOf(value: unknown): Generator<string, void> {
  if (typeof value === "string") yield value;
  else if (Array.isArray(value)) for (const item of value) yield* textsOf(item);
  else if (typeof value === "object" && value !== null) {
    for (const [name, item] of Object.entries(value)) {
      yield name;
      yield* textsOf(item);
    }
  }
}
