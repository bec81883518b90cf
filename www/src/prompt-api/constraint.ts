/** `responseConstraint` in the package's words. */
import { kindOf } from "../internal/options/refuse.js";
import type { ResponseFormat } from "../public/formats.js";
import { exception } from "./errors.js";

/** What the answer is held to, and what is said of it to the model. */
export interface Constraint {
  readonly format: ResponseFormat;
  readonly hint: string;
}

/** A regular expression, or a JSON schema, as it is now. */
export function readConstraint(value: unknown): Constraint {
  if ((typeof value !== "object" && typeof value !== "function") || value === null) throw new TypeError("responseConstraint is neither a RegExp nor an object");
  if (kindOf(value) === "RegExp") {
    const pattern = value as RegExp;
    return { format: { type: "regex", pattern }, hint: `Answer with a text that this regular expression matches, and with nothing else: ${pattern.source}` };
  }
  const schema = asText(value);
  return { format: { type: "json_schema", schema }, hint: `Answer with JSON of this schema, and with nothing else: ${schema}` };
}

/** What a prefix has of the answer already. Answers in JSON have a space after each colon and comma, and no other; a prefix may have what it likes. */
export function begunAs({ type }: ResponseFormat, prefix: string): string {
  if (type !== "json_schema") return prefix;
  // Strings as they are, the last one without its end too.
  return prefix.replace(/("(?:[^"\\]|\\[^])*(?:"|\\?$))|([:,])[ \t\r\n]*|[ \t\r\n]+/g, (all, text: string | undefined, mark: string | undefined, at: number) => {
    if (text !== undefined) return text;
    if (mark === undefined) return "";
    return at + all.length === prefix.length && all.length === 1 ? mark : `${mark} `;
  });
}

function asText(value: object): string {
  let text: unknown;
  try {
    text = JSON.stringify(value);
  } catch (cause) {
    throw exception("NotSupportedError", "responseConstraint is nothing that JSON can say", cause);
  }
  if (typeof text !== "string") throw exception("NotSupportedError", "responseConstraint is nothing that JSON can say");
  return text;
}
