import { z } from "zod";
import { OPERATIONS } from "./operations.ts";
import type { Answer, Operation, Parameter } from "./operation.ts";
import { SCHEMAS } from "./schemas.ts";
import type { SchemaName } from "./schemas.ts";
import { LIMIT_HEADERS } from "./submission.ts";

/** The HTTP surface in OpenAPI 3.1, made from the shapes that bodies are read with. Pure: no I/O. */

export type JsonSchema = Readonly<Record<string, unknown>>;

/** @param serverUrl where the server is for its members */
export function openapiDocument(serverUrl: string) {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const operation of OPERATIONS) {
    paths[operation.path] = { ...paths[operation.path], [operation.method]: describe(operation) };
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "Co-op",
      version: "1",
      description: "People pool the machines they own; every member gets one endpoint and one key.",
    },
    servers: [{ url: serverUrl }],
    paths,
    components: {
      schemas: jsonSchemas(),
      securitySchemes: {
        key: { type: "http", scheme: "bearer", description: "A member's key, coop_..." },
        keyHeader: { type: "apiKey", in: "header", name: "x-api-key", description: "The same key." },
      },
    },
  };
}

/** The shapes by name, as JSON schemas of what is sent. */
export const jsonSchemas = (): Readonly<Record<string, JsonSchema>> =>
  Object.fromEntries(Object.entries(SCHEMAS).map(([name, schema]) => [name, jsonSchema(schema)]));

function jsonSchema(schema: z.ZodType): JsonSchema {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io: "input", target: "draft-2020-12" });
  return rest;
}

const reference = (name: SchemaName) => ({ $ref: `#/components/schemas/${name}` });

const contentOf = ([first, ...others]: readonly SchemaName[]) => {
  if (first === undefined) return {};
  return { schema: others.length === 0 ? reference(first) : { anyOf: [first, ...others].map(reference) } };
};

const describe = (operation: Operation) => ({
  operationId: operation.id,
  tags: [operation.group],
  summary: operation.summary,
  ...(operation.description !== undefined && { description: operation.description }),
  security: operation.access === "anyone" ? [] : [{ key: [] }, { keyHeader: [] }],
  ...(operation.parameters && { parameters: operation.parameters.map(describeParameter) }),
  ...(operation.request && {
    requestBody: {
      required: true,
      content: { "application/json": { schema: reference(operation.request) } },
    },
  }),
  responses: {
    ...Object.fromEntries(operation.answers.map((answer) => [answer.status, describeAnswer(answer)])),
    ...Object.fromEntries(operation.problems.map((status) => [status, describeProblem(status)])),
  },
});

const describeParameter = (parameter: Parameter) => ({
  in: parameter.in,
  name: parameter.name,
  description: parameter.description,
  required: parameter.in === "path",
  schema: { type: "string", ...(parameter.values && { enum: parameter.values }) },
});

const describeAnswer = ({ description, contents, headers }: Answer) => ({
  description,
  ...(contents && {
    content: Object.fromEntries(contents.map(({ type, schemas = [] }) => [type, contentOf(schemas)])),
  }),
  ...(headers && { headers: describeHeaders(headers) }),
});

const describeHeaders = (headers: Readonly<Record<string, string>>) =>
  Object.fromEntries(
    Object.entries(headers).map(([name, text]) => [name, { description: text, schema: { type: "string" } }]),
  );

const RETRY_HEADERS = {
  "Retry-After": "Seconds after which the same request may succeed.",
  "x-should-retry": "`false` where clients must not repeat by themselves.",
};

const PROBLEMS: Readonly<Record<number, string>> = {
  400: "Something in the request is wrong; `param` names it.",
  401: "No key, or one that is not known.",
  403: "The key may not do this.",
  404: "It is not there.",
  409: "It conflicts with what was before; or the job was cancelled.",
  410: "It was there, and is no longer kept.",
  413: "The body is larger than 4 MiB.",
  422: "No node of the co-op could ever serve it; `nodes` says why.",
  429: "Over a limit: quota_exceeded, tier_quota_exceeded, too_many_at_once, too_many_requests or too_many_pending; Retry-After says when to come again.",
  500: "A bug of the server.",
  502: "The node's engine failed.",
  503: "The store or the node went away; Retry-After says when to come again.",
  504: "No node was free, or the job did not end, in time.",
};

const describeProblem = (status: number) => ({
  description: PROBLEMS[status] ?? "A problem.",
  ...(status === 429 && { headers: describeHeaders({ ...RETRY_HEADERS, ...LIMIT_HEADERS }) }),
  content: { "application/json": { schema: reference("Problem") } },
});
