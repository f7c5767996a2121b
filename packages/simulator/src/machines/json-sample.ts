/**
 * A value that a JSON schema allows, as plain as can be. Pure: no I/O.
 *
 * Knows the words that tools and response formats use: type, const, enum, properties, required, items,
 * minItems, minLength, minimum, anyOf, oneOf, allOf and references into the schema itself. Patterns and
 * formats are beyond it.
 */
export function sampleOf(schema: unknown): unknown {
  return sample(schema, schema, 0);
}

type Schema = Readonly<Record<string, unknown>>;

/** Where a schema that refers to itself is left. */
const DEEPEST = 12;

function sample(value: unknown, root: unknown, depth: number): unknown {
  if (!isObject(value) || depth > DEEPEST) return null;
  const schema = resolve(value, root);
  if ("const" in schema) return schema["const"];
  if (Array.isArray(schema["enum"])) return schema["enum"][0];
  const branches = [schema["anyOf"], schema["oneOf"]].find((list) => Array.isArray(list));
  if (branches !== undefined) return sample(branches[0], root, depth + 1);
  if (Array.isArray(schema["allOf"])) {
    const parts = schema["allOf"].map((part) => sample(part, root, depth + 1));
    return parts.every(isObject) ? Object.assign({}, ...parts) : parts[0];
  }
  return sampleOfType(schema, root, depth);
}

function sampleOfType(schema: Schema, root: unknown, depth: number): unknown {
  switch ([schema["type"] ?? (isObject(schema["properties"]) ? "object" : "string")].flat()[0]) {
    case "object":
      return sampleObject(schema, root, depth);
    case "array": {
      const item = sample(schema["items"] ?? {}, root, depth + 1);
      return Array.from({ length: Math.max(1, numberOr(schema["minItems"], 1)) }, () => item);
    }
    case "integer":
      return Math.ceil(numberOr(schema["minimum"], 1));
    case "number":
      return numberOr(schema["minimum"], 1);
    case "boolean":
      return true;
    case "null":
      return null;
    default:
      return "simulated".padEnd(numberOr(schema["minLength"], 0), ".");
  }
}

/** Every property that is required; all of them when none is, as long as it does not nest for ever. */
function sampleObject(schema: Schema, root: unknown, depth: number): Schema {
  const properties = isObject(schema["properties"]) ? schema["properties"] : {};
  const required = Array.isArray(schema["required"]) ? schema["required"].map(String) : [];
  const names = required.length > 0 || depth > 2 ? required : Object.keys(properties);
  return Object.fromEntries(names.map((name) => [name, sample(properties[name] ?? {}, root, depth + 1)]));
}

/** Follows `#/$defs/name` and the like. */
function resolve(schema: Schema, root: unknown): Schema {
  const reference = schema["$ref"];
  if (typeof reference !== "string") return schema;
  const steps = reference.split("/").slice(1);
  const found = steps.reduce<unknown>((at, step) => (isObject(at) ? at[step] : undefined), root);
  return isObject(found) && found !== schema ? found : {};
}

const isObject = (value: unknown): value is Schema =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const numberOr = (value: unknown, otherwise: number): number =>
  typeof value === "number" ? value : otherwise;
