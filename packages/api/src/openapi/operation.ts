import type { SchemaName } from "./schemas.ts";

/** One thing that the HTTP surface does. */
export interface Operation {
  readonly method: "get" | "post" | "patch" | "delete";
  /** With `{name}` for its parts that vary. */
  readonly path: string;
  readonly id: string;
  readonly group: "Inference" | "Jobs" | "Fleet" | "Reports" | "Administration" | "Nodes" | "Server";
  readonly summary: string;
  readonly description?: string;
  readonly access: "anyone" | "member" | "operator";
  readonly parameters?: readonly Parameter[];
  readonly request?: SchemaName;
  readonly answers: readonly Answer[];
  /** Statuses of refusals and failures, which all have a problem as their body. */
  readonly problems: readonly number[];
}

export interface Parameter {
  readonly in: "path" | "query" | "header";
  readonly name: string;
  readonly description: string;
  readonly values?: readonly string[];
}

export interface Answer {
  readonly status: number;
  readonly description: string;
  /** Several shapes of one type: any of them. */
  readonly contents?: readonly { readonly type: string; readonly schemas?: readonly SchemaName[] }[];
  readonly headers?: Readonly<Record<string, string>>;
}

export const JSON_TYPE = "application/json";
export const EVENTS_TYPE = "text/event-stream";

/** An answer of one shape. */
export const json = (schema: SchemaName, description: string, status = 200): Answer => ({
  status,
  description,
  contents: [{ type: JSON_TYPE, schemas: [schema] }],
});
