/** What `embed` and OpenAI's `embeddings.create` take. */
import type { EmbeddingCreateParams, EmbeddingRequestOptions } from "../../public/embeddings.js";
import type { EmbedInput, EmbedOptions } from "../../public/types.js";
import type * as protocol from "../protocol.js";
import * as kinds from "./kinds.js";
import { readIds } from "./messages.js";
import { EMBEDDING } from "./openai-tables.js";
import type { Options } from "./read.js";
import { guarded, kindOf, refused } from "./refuse.js";
import { CHAT_REQUEST } from "./tables.js";

export const EMBED: Options<EmbedOptions> = {
  of: "embed",
  table: { dimensions: EMBEDDING.table.dimensions, signal: { kind: kinds.signal } },
  alias: { dims: "dimensions", dimension: "dimensions", abort: "signal" },
};

/** OpenAI's request, and what goes with it. */
export const REQUEST = {
  fields: EMBEDDING,
  options: { ...CHAT_REQUEST, of: "create(params, options)" } as Options<EmbeddingRequestOptions>,
};

/** Texts or ids of `embed`. */
export function readInputs(given: EmbedInput | readonly EmbedInput[]): protocol.EmbedInput[] {
  return guarded("input", () => {
    if (Array.isArray(given) && given.length > 0 && given.some((one) => typeof one !== "number")) return given.map((one: unknown, index) => readOne(one, `input[${String(index)}]`));
    return [readOne(given, "input")];
  });
}

/** The same in OpenAI's forms, where an array of numbers is one text. */
export function readInput(given: EmbeddingCreateParams["input"] | undefined): protocol.EmbedInput[] {
  return guarded("input", () => {
    const whole: unknown = EMBEDDING.table.input.kind.read(given, "input");
    if (!Array.isArray(whole) || typeof whole[0] === "number") return [readOne(whole, "input")];
    return whole.map((one: unknown, index) => readOne(one, `input[${String(index)}]`));
  });
}

function readOne(value: unknown, name: string): protocol.EmbedInput {
  if (typeof value === "string") return { type: "text", body: value };
  if (kindOf(value) === "Uint32Array" || (Array.isArray(value) && value.length > 0)) return { type: "ids", body: readIds(value, name) };
  throw refused(name, value, "a string, or token ids");
}
