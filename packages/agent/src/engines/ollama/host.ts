import { OperationalError } from "@coop/core";

const DEFAULT_PORT = "11434";

/**
 * Reads `OLLAMA_HOST` as Ollama itself does: a URL, a host, or a host and port.
 * @throws OperationalError `bad-engine-host` when it is no http(s) address, or carries credentials or a query
 */
export function parseOllamaHost(text: string): URL {
  const trimmed = text.trim();
  const spelled = /^[a-z][a-z0-9+.-]*:\/\//i.test(trimmed);
  const authority = trimmed.startsWith(":") ? `127.0.0.1${trimmed}` : trimmed;
  const candidate = spelled ? trimmed : `http://${authority}`;
  if (!URL.canParse(candidate)) throw badHost(text, "is not an address");

  const url = new URL(candidate);
  if (url.protocol !== "http:" && url.protocol !== "https:") throw badHost(text, "is neither http nor https");
  if (url.username !== "" || url.password !== "") throw badHost(text, "carries credentials");
  if (url.search !== "" || url.hash !== "") throw badHost(text, "carries a query or fragment");
  if (!spelled && url.port === "" && !authority.endsWith(":80")) url.port = DEFAULT_PORT;
  // An address to listen on, which some systems cannot dial.
  if (url.hostname === "0.0.0.0") url.hostname = "127.0.0.1";
  if (url.hostname === "[::]") url.hostname = "[::1]";
  return url;
}

const badHost = (text: string, what: string): OperationalError =>
  new OperationalError(
    "bad-engine-host",
    `The engine's address (--engine or OLLAMA_HOST) "${text}" ${what}; write it like http://127.0.0.1:${DEFAULT_PORT}`,
  );
