import { html, raw } from "hono/html";
import { pageHeaders } from "../page-headers.ts";
import { jsonSchemas } from "./document.ts";
import type { JsonSchema } from "./document.ts";
import { OPERATIONS } from "./operations.ts";
import type { Operation } from "./operation.ts";

/** The HTTP surface as one page that needs nothing else: no script, and no style but its own. */

type Html = ReturnType<typeof html>;

const STYLE = `
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #222; background: #fff }
h2 { margin-top: 2.5rem } h3 { font-size: 1rem; margin: 1rem 0 .25rem }
details { border: 1px solid #ddd; border-radius: .4rem; margin: .5rem 0; padding: .5rem .75rem }
details details { border: 0; padding: 0 0 0 1rem; margin: 0 }
summary { cursor: pointer } code { font: .9em ui-monospace, monospace; overflow-wrap: anywhere }
b { display: inline-block; min-width: 4.5rem } ul { margin: .25rem 0; padding-left: 1.25rem } i { color: #666 }
@media (prefers-color-scheme: dark) { body { color: #ddd; background: #181818 } details { border-color: #444 } i { color: #999 } }
`;

export const PAGE_HEADERS = pageHeaders(STYLE);

/** @param serverUrl where the server is for its members */
export async function docsPage(serverUrl: string): Promise<string> {
  const schemas = jsonSchemas();
  const groups = [...new Set(OPERATIONS.map(({ group }) => group))];
  const page = await html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>Co-op: HTTP</title>
        ${raw(`<style>${STYLE}</style>`)}
      </head>
      <body>
        <h1>Co-op: HTTP</h1>
        <p>
          At <code>${serverUrl}</code>. A key goes as <code>Authorization: Bearer coop_...</code> or
          <code>x-api-key</code>. The same for programs: <a href="/openapi.json">openapi.json</a>.
        </p>
        ${groups.map((group) => groupSection(group, schemas))}
      </body>
    </html>`;
  return String(page);
}

const groupSection = (group: string, schemas: Readonly<Record<string, JsonSchema>>): Html =>
  html`<h2>${group}</h2>
    ${OPERATIONS.filter((operation) => operation.group === group).map((operation) =>
      operationSection(operation, schemas),
    )}`;

const ACCESS = { anyone: "no key", member: "a member's key", operator: "an operator's key" } as const;

const operationSection = (operation: Operation, schemas: Readonly<Record<string, JsonSchema>>): Html =>
  html`<details>
    <summary>
      <b>${operation.method.toUpperCase()}</b> <code>${operation.path}</code> ${operation.summary}
    </summary>
    <p>${operation.description ?? ""} <i>Needs ${ACCESS[operation.access]}.</i></p>
    ${parameterList(operation)}
    ${
      operation.request === undefined
        ? ""
        : html`<h3>Body</h3>
            ${shape(schemas[operation.request] ?? {})}`
    }
    <h3>Answers</h3>
    <ul>
      ${operation.answers.map(
        ({ status, description, contents = [], headers = {} }) =>
          html`<li>
            <code>${status}</code> ${description}
            ${contents.map(({ type, schemas: names = [] }) =>
              names.length === 0
                ? html`<code>${type}</code>`
                : names.map(
                    (name) =>
                      html`<details>
                        <summary><code>${type}</code> ${name}</summary>
                        ${shape(schemas[name] ?? {})}
                      </details>`,
                  ),
            )}
            ${named("Headers", headers)}
          </li>`,
      )}
      ${
        operation.problems.length === 0
          ? ""
          : html`<li>
              <code>${operation.problems.join(", ")}</code>
              <details>
                <summary>Problem</summary>
                ${shape(schemas["Problem"] ?? {})}
              </details>
            </li>`
      }
    </ul>
  </details>`;

const parameterList = ({ parameters = [] }: Operation): Html | "" =>
  named(
    "Parameters",
    Object.fromEntries(
      parameters.map(({ in: place, name, description, values }) => [
        name,
        `(${place}) ${description}${values === undefined ? "" : ` One of ${values.join(", ")}.`}`,
      ]),
    ),
  );

const named = (title: string, texts: Readonly<Record<string, string>>): Html | "" =>
  Object.keys(texts).length === 0
    ? ""
    : html`<h3>${title}</h3>
        <ul>
          ${Object.entries(texts).map(([name, text]) => html`<li><code>${name}</code> ${text}</li>`)}
        </ul>`;

/** Fields with their types; what has fields of its own opens. */
function shape(schema: JsonSchema): Html {
  const required = Array.isArray(schema["required"]) ? schema["required"] : [];
  const fields = Object.entries(isSchema(schema["properties"]) ? schema["properties"] : {});
  const inner = innerSchemas(schema);
  return html`<ul>
    ${fields.map(([name, field]) => {
      const about = isSchema(field) ? field : {};
      const head = html`<code>${name}</code>
        ${typeText(about)}${required.includes(name) ? " (required)" : ""}`;
      return hasFields(about)
        ? html`<li>
            <details>
              <summary>${head}</summary>
              ${shape(about)}
            </details>
          </li>`
        : html`<li>${head}</li>`;
    })}
    ${inner.map((one) =>
      hasFields(one) ? html`<li>${typeText(one)} ${shape(one)}</li>` : html`<li>${typeText(one)}</li>`,
    )}
  </ul>`;
}

const isSchema = (value: unknown): value is JsonSchema =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** What a list holds, and what alternatives there are. */
function innerSchemas(schema: JsonSchema): readonly JsonSchema[] {
  const alternatives = [schema["anyOf"], schema["oneOf"], schema["items"], schema["additionalProperties"]];
  return alternatives.flat().filter(isSchema).filter(hasFieldsOrMeaning);
}

const hasFields = (schema: JsonSchema): boolean =>
  isSchema(schema["properties"]) || innerSchemas(schema).some(hasFields);

const hasFieldsOrMeaning = (schema: JsonSchema): boolean => typeText(schema) !== "null";

/** Such as `string`, `"a" or "b"`, `number, at least 0`, `list`. */
function typeText(schema: JsonSchema): string {
  if ("const" in schema) return JSON.stringify(schema["const"]);
  if (Array.isArray(schema["enum"])) return schema["enum"].map((value) => JSON.stringify(value)).join(" or ");
  const alternatives = [schema["anyOf"] ?? schema["oneOf"] ?? []].flat().filter(isSchema);
  if (alternatives.length > 0) return [...new Set(alternatives.map(typeText))].join(" or ");
  const names: Readonly<Record<string, string>> = { array: "list", integer: "whole number" };
  const types = [schema["type"] ?? []].flat().map(String);
  const type = types.length === 0 ? "anything" : types.map((name) => names[name] ?? name).join(" or ");
  const bounds = [
    typeof schema["minimum"] === "number" ? `at least ${schema["minimum"]}` : "",
    typeof schema["exclusiveMinimum"] === "number" ? `above ${schema["exclusiveMinimum"]}` : "",
    typeof schema["maximum"] === "number" && schema["maximum"] < Number.MAX_SAFE_INTEGER
      ? `at most ${schema["maximum"]}`
      : "",
  ].filter((text) => text !== "");
  return [type, ...bounds].join(", ");
}
