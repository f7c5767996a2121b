import type { EngineRequest } from "@coop/protocol";

/**
 * Fewest tokens that a request's text can be: one a word between white space, because no tokeniser in use
 * puts two words into one token. Code, long words and other scripts take many more.
 */
export function promptTokensFloor(request: EngineRequest): number {
  let words = 0;
  for (const text of texts(request)) words += text.match(/\S+/g)?.length ?? 0;
  return words;
}

/** A guess at the prompt's tokens, at 4 bytes each, for an attempt that ended before the engine counted them. */
export function promptTokensGuess(request: EngineRequest): number {
  let bytes = 0;
  for (const text of texts(request)) bytes += Buffer.byteLength(text);
  return Math.ceil(bytes / 4);
}

function texts(request: EngineRequest): readonly string[] {
  return request.kind === "chat" ? request.messages.map((message) => message.content) : request.inputs;
}
