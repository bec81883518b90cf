/** Schemas as zod and its like write them. */
import { schema as schemaKind } from "../internal/options/schema.js";
import type { JsonSchema } from "../public/formats.js";

/** The formats that JSON Schema itself has. */
const STANDARD = /^(?:date-time|date|time|duration|(?:idn-)?email|(?:idn-)?hostname|ipv4|ipv6|uuid|[iu]ri(?:-reference)?|uri-template|(?:relative-)?json-pointer|regex)$/;

/** Keywords whose values are schemas, lists of them, and schemas by names. */
const ONE = ["items", "additionalItems", "additionalProperties", "unevaluatedItems", "unevaluatedProperties", "contains", "propertyNames", "not", "if", "then", "else"];
const SEVERAL = ["allOf", "anyOf", "oneOf", "prefixItems", "items"];
const BY_NAME = ["properties", "patternProperties", "dependentSchemas", "$defs", "definitions"];

type Node = Record<string, unknown>;

/**
 * As the answer is held to it: without what would be refused and says nothing. zod gives a string that has to fit a `pattern` the name of that pattern as
 * its `format` as well (`nanoid`, `base64`, `starts_with`), which JSON Schema does not know.
 */
export function heldSchema(given: JsonSchema, place: string): JsonSchema {
  return changed(given, place, (node) => {
    const name = nameOfPattern(node);
    if (name !== undefined && !STANDARD.test(name)) delete node["format"];
  });
}

/** As the model is told of it, in fewer tokens: the name of a pattern says more to it than the pattern. */
export function toldSchema(given: JsonSchema, place: string): string {
  const told = changed(given, place, (node) => {
    if (nameOfPattern(node) !== undefined) delete node["pattern"];
    delete node["$schema"];
  });
  return typeof told === "string" ? told : JSON.stringify(told);
}

/** A copy, after a change of each of its schemas. Values in it, such as those of `const`, are none. */
function changed(given: JsonSchema, place: string, change: (node: Node) => void): JsonSchema {
  const copy = schemaKind.read(given, place);
  const visit = (node: Node) => {
    change(node);
    const inner = [
      ...ONE.map((keyword) => node[keyword]),
      ...SEVERAL.flatMap((keyword) => (Array.isArray(node[keyword]) ? (node[keyword] as unknown[]) : [])),
      ...BY_NAME.flatMap((keyword) => (isNode(node[keyword]) ? Object.values(node[keyword]) : [])),
    ];
    for (const one of inner) if (isNode(one)) visit(one);
  };
  if (isNode(copy)) visit(copy);
  return copy;
}

function nameOfPattern({ format, pattern }: Node): string | undefined {
  return typeof format === "string" && typeof pattern === "string" ? format : undefined;
}

function isNode(value: unknown): value is Node {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
