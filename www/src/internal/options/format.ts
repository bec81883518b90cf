/** Forms that an answer may be held to, in the package's own words, and in OpenAI's. */
import type { ChatCompletionResponseFormat } from "../../public/chat.js";
import type { JsonSchema, ResponseFormat } from "../../public/formats.js";
import type { GenerateRequest } from "../protocol.js";
import { type Kind, oneOf, text, textLike } from "./kinds.js";
import { type Options, record } from "./read.js";
import { kindOf, refused } from "./refuse.js";
import { schema } from "./schema.js";

/** Flags that change nothing for a text as a whole, or can be said in the expression. */
const FLAGS = /^[dgisu]*$/;
const THEIRS = "d, g, i, s and u";

const pattern: Kind<string | RegExp> = {
  what: `a string, or a RegExp without other flags than ${THEIRS}`,
  read: (value, name) => {
    if (typeof value === "string") return value;
    if (kindOf(value) !== "RegExp") throw refused(name, value, pattern.what);
    const { source, flags } = value as RegExp;
    if (!FLAGS.test(flags)) throw refused(`${name}.flags`, flags, `none, or some of ${THEIRS}: the answer is matched as a whole`);
    return new RegExp(source, flags);
  },
};

/** Which field goes with each type. */
const FIELD = { json_object: undefined, json_schema: "schema", regex: "pattern", lark: "grammar" } as const;

type Fields = { [Field in "type" | "schema" | "pattern" | "grammar" | "begun"]?: Field extends "type" ? keyof typeof FIELD : Field extends "schema" ? JsonSchema : Field extends "pattern" ? string | RegExp : string };

const FORM: Options<Fields> = {
  of: "responseFormat",
  table: {
    type: { kind: oneOf("json_object", "json_schema", "regex", "lark") },
    schema: { kind: schema },
    pattern: { kind: pattern },
    grammar: { kind: textLike("a grammar in Lark's form, a string that is not empty", /[^]/) },
    begun: { kind: text },
  },
  alias: { jsonschema: "schema", regex: "pattern", regexp: "pattern", lark: "grammar" },
};

const form = record(FORM, 'an object: { type: "json_schema", schema }, { type: "json_object" }, { type: "regex", pattern } or { type: "lark", grammar }, each with begun where the prompt ends with a part of the answer', ["type"]);

export const responseFormat: Kind<ResponseFormat> = {
  what: form.what,
  read: (value, name) => {
    const read = form.read(value, name);
    const { type = "json_object" } = read;
    const field = FIELD[type];
    if (field && read[field] === undefined) throw refused(`${name}.${field}`, (value as Fields)[field], FORM.table[field].kind.what);
    for (const other of ["schema", "pattern", "grammar"] as const) {
      if (other !== field && read[other] !== undefined) throw refused(`${name}.${other}`, read[other], `left out where type is ${JSON.stringify(type)}`);
    }
    return read as ResponseFormat;
  },
};

/** As the engine is asked. */
export function asSent(format: ResponseFormat | undefined): Pick<GenerateRequest, "responseFormat" | "begun"> {
  if (!format) return {};
  const { begun, ...form } = format;
  return { responseFormat: engines(form), ...(begun !== undefined && { begun }) };
}

function engines(form: ResponseFormat): NonNullable<GenerateRequest["responseFormat"]> {
  switch (form.type) {
    case "json_object":
      return { type: "json_object" };
    case "json_schema":
      return { type: "json_schema", schema: typeof form.schema === "string" ? form.schema : JSON.stringify(form.schema) };
    case "lark":
      return { type: "lark", grammar: form.grammar };
    case "regex": {
      const { pattern } = form;
      if (typeof pattern === "string") return { type: "regex", pattern };
      const flags = pattern.flags.replace(/[dgu]/g, "");
      return { type: "regex", pattern: flags === "" ? pattern.source : `(?${flags}:${pattern.source})` };
    }
  }
}

/** OpenAI's in the package's words; none where any text will do. */
export function ofChat(format: ChatCompletionResponseFormat | null | undefined): ResponseFormat | undefined {
  if (!format || format.type === "text") return undefined;
  return format.type === "json_object" ? format : { type: format.type, schema: format.json_schema.schema };
}
