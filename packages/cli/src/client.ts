import { problemSchema } from "@coop/protocol";
import type { Problem } from "@coop/protocol";
import type { z } from "zod";
import { CliError } from "./cli-error.ts";
import type { CliErrorCode } from "./cli-error.ts";
import type { KeySource } from "./home.ts";
import type { Hint } from "./invocation.ts";

/** The co-op's HTTP surface. Every method throws a CliError that says what to do. */
export interface CoopClient {
  readonly url: string;
  /** @param patienceMs longest wait, where the server has long work to do */
  get<T>(path: string, answer: z.ZodType<T>, patienceMs?: number): Promise<T>;
  /** An answer that is no JSON, as it is. */
  text(path: string, patienceMs?: number): Promise<string>;
  post<T>(path: string, body: unknown, answer: z.ZodType<T>, headers?: Headers): Promise<T>;
  patch<T>(path: string, body: unknown, answer: z.ZodType<T>): Promise<T>;
  /** The answer's body is not read. */
  send(method: "DELETE", path: string, patienceMs?: number): Promise<Response>;
  /** An answer that streams; only its beginning is waited for. */
  stream(path: string, body: unknown, headers?: Headers): Promise<Response>;
  /** The same server with another member's key. */
  as(source: KeySource): CoopClient;
}

type Headers = Readonly<Record<string, string>>;

export interface ClientOptions {
  readonly url: string;
  readonly source: KeySource;
  readonly hint: Hint;
  /** Gives up what is under way. */
  readonly signal: AbortSignal;
  /** Longest wait for an answer that does not stream, ms. */
  readonly patienceMs?: number;
}

const PATIENCE_MS = 30_000;

export function createClient(options: ClientOptions): CoopClient {
  const { url, source, signal, patienceMs = PATIENCE_MS } = options;

  const request = async (path: string, init: RequestInit): Promise<Response> => {
    const headers = new Headers(init.headers);
    if (source.key !== null) headers.set("authorization", `Bearer ${source.key}`);
    const response = await fetch(url + path, { ...init, headers }).catch((error: unknown) => {
      throw notAnswered(url, signal, error);
    });
    if (!response.ok) throw await refusal(response, options);
    return response;
  };
  const bounded = (limitMs = patienceMs): AbortSignal =>
    AbortSignal.any([signal, AbortSignal.timeout(limitMs)]);
  const textOf = (response: Response): Promise<string> =>
    response.text().catch((error: unknown) => {
      throw notAnswered(url, signal, error);
    });
  const read = async <T>(path: string, response: Response, answer: z.ZodType<T>): Promise<T> => {
    const parsed = answer.safeParse(parseJson(await textOf(response)));
    if (parsed.success) return parsed.data;
    throw new CliError(
      "not-a-coop",
      `${url}${path} did not answer as this version of coop expects. Is it a co-op's server, of the same version?`,
      parsed.error,
    );
  };
  const carrying = (
    method: "POST" | "PATCH",
    body: unknown,
    headers: Headers,
    limit: AbortSignal,
  ): RequestInit => ({
    method,
    body: JSON.stringify(body),
    headers: { "content-type": "application/json", ...headers },
    signal: limit,
  });

  return {
    url,
    async get(path, answer, limitMs) {
      return await read(path, await request(path, { signal: bounded(limitMs) }), answer);
    },
    async text(path, limitMs) {
      return await textOf(await request(path, { signal: bounded(limitMs) }));
    },
    async post(path, body, answer, headers = {}) {
      return await read(path, await request(path, carrying("POST", body, headers, bounded())), answer);
    },
    async patch(path, body, answer) {
      return await read(path, await request(path, carrying("PATCH", body, {}, bounded())), answer);
    },
    send: (method, path, limitMs) => request(path, { method, signal: bounded(limitMs) }),
    stream: (path, body, headers = {}) => request(path, carrying("POST", body, headers, signal)),
    as: (other) => createClient({ ...options, source: other }),
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** An interruption stays what it is; anything else is a server that cannot be reached. */
export function notAnswered(url: string, signal: AbortSignal, error: unknown): unknown {
  if (signal.aborted) return signal.reason;
  if (error instanceof Error && error.name === "TimeoutError") {
    return new CliError("server-silent", `The co-op at ${url} did not answer in time. Try again.`, error);
  }
  const cause = error instanceof Error ? error.cause : undefined;
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : String(error);
  const isAbsent = NOBODY_THERE.some((known) => known === code);
  const what = isAbsent
    ? `No co-op answers at ${url} (${code})`
    : `The connection to the co-op at ${url} broke (${code})`;
  const remedy = isAbsent
    ? "Start one here with `npm start`, or set COOP_URL to where yours runs."
    : "Its server may have stopped or be starting again: try once more.";
  return new CliError("server-not-reachable", `${what}. ${remedy}`, error);
}

const NOBODY_THERE = ["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "EHOSTUNREACH", "ENETUNREACH"] as const;

/** An answer that is no success. */
export class RefusedError extends CliError {
  readonly status: number;
  /** What the co-op said; null when something else answered in its place. */
  readonly problem: Problem | null;
  /** How long it asks to wait before the next try, ms; null when it names none. */
  readonly retryAfterMs: number | null;
  /** False: it says that the same request will be refused again. */
  readonly mayRepeat: boolean;

  constructor(code: CliErrorCode, message: string, response: Response, problem: Problem | null) {
    super(code, message);
    this.status = response.status;
    this.problem = problem;
    const afterS = Number(response.headers.get("retry-after") ?? Number.NaN);
    this.retryAfterMs = Number.isFinite(afterS) ? Math.max(0, afterS) * 1000 : null;
    this.mayRepeat = response.headers.get("x-should-retry") !== "false";
  }
}

async function refusal(response: Response, options: ClientOptions): Promise<RefusedError> {
  const text = await response.text().catch((error: unknown) => {
    throw notAnswered(options.url, options.signal, error);
  });
  const { data: problem } = problemSchema.safeParse(parseJson(text));
  if (problem === undefined) {
    const message = `What answers at ${options.url} (status ${response.status}) is no co-op's server.`;
    return new RefusedError("not-a-coop", message, response, null);
  }
  return response.status === 401
    ? new RefusedError("no-key", unauthorized(problem, options), response, problem)
    : new RefusedError("refused", describeProblem(problem), response, problem);
}

function unauthorized({ error }: Problem, { source: { key, place }, hint }: ClientOptions): string {
  const remedy = `An operator makes one with \`${hint("keys create MEMBER")}\`; give it in COOP_API_KEY. On the server's machine, COOP_HOME tells where operator.key lies.`;
  return key === null
    ? `No key: COOP_API_KEY is not set, and there is no ${place}. ${remedy}`
    : `${error.message} The key came from ${place}. ${remedy}`;
}

/** A refusal in words: what is wrong, the field, and what each node objected to. */
export function describeProblem({ error }: Problem): string {
  const nodes = (error.nodes ?? []).map(({ node, reasons }) => `\n  ${node}: ${reasons.join("; ")}`).join("");
  const isNamed = error.nearest === undefined || error.nearest.every((name) => error.message.includes(name));
  const nearest = isNamed ? "" : `\n  nearest: ${error.nearest?.join(", ") ?? ""}`;
  return `${error.message}${nearest}${nodes}`;
}
