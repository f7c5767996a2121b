import type { Problem } from "@coop/protocol";
import type { ContentfulStatusCode } from "hono/utils/http-status";

export interface ProblemDetails {
  readonly message: string;
  readonly code: string;
  /** The field or header at fault. */
  readonly param?: string;
  readonly nodes?: readonly { readonly node: string; readonly reasons: readonly string[] }[];
  readonly nearest?: readonly string[];
  readonly retryAfterS?: number;
  /** False: clients that repeat by themselves are told not to. */
  readonly repeat?: false;
}

/** A refusal on its way to the member: thrown by what a handler calls, rendered once by the app. */
export class ProblemError extends Error {
  override readonly name = "ProblemError";
  readonly status: ContentfulStatusCode;
  readonly details: ProblemDetails;

  constructor(status: ContentfulStatusCode, details: ProblemDetails) {
    super(details.message);
    this.status = status;
    this.details = details;
  }
}

const TYPES: Readonly<Record<number, string>> = {
  401: "authentication_error",
  403: "permission_error",
  404: "not_found_error",
  409: "conflict_error",
  429: "rate_limit_error",
};

/** The body in the shape of the OpenAI dialect, which the endpoints of our own share. */
export function problemBody(status: number, details: ProblemDetails): Problem {
  return {
    error: {
      message: details.message,
      type: TYPES[status] ?? (status >= 500 ? "server_error" : "invalid_request_error"),
      param: details.param ?? null,
      code: details.code,
      ...(details.nodes && {
        nodes: details.nodes.map(({ node, reasons }) => ({ node, reasons: [...reasons] })),
      }),
      ...(details.nearest && { nearest: [...details.nearest] }),
    },
  };
}

/** Headers that tell clients when, and whether, to come again. */
export function problemHeaders(details: ProblemDetails): Record<string, string> {
  return {
    ...(details.retryAfterS !== undefined && {
      "Retry-After": String(Math.max(1, Math.ceil(details.retryAfterS))),
    }),
    ...(details.repeat === false && { "x-should-retry": "false" }),
  };
}

export const notFound = (message: string, param?: string): ProblemError =>
  new ProblemError(404, { code: "not_found", message, ...(param !== undefined && { param }) });

export const badRequest = (message: string, param?: string, code = "invalid_value"): ProblemError =>
  new ProblemError(400, { code, message, ...(param !== undefined && { param }) });
