/** What `embed` and OpenAI's `embeddings.create` take. */
import type { EmbeddingCreateParams, EmbeddingRequestOptions } from "../../public/embeddings.js";
import type { EmbedInput, EmbedOptions } from "../../public/types.js";
import type * as protocol from "../protocol.js";
import * as kinds from "./kinds.js";
import { readIds } from "./messages.js";
import type { Options } from "./read.js";
import { guarded, kindOf, refused } from "./refuse.js";
import { CHAT_REQUEST } from "./tables.js";

const dimensions = { kind: kinds.whole(1, kinds.U32, ", and no more than the model's vectors have"), otherwise: "all of them" };

export const EMBED: Options<EmbedOptions> = {
  of: "embed",
  table: { dimensions, signal: { kind: kinds.signal } },
  alias: { dims: "dimensions", dimension: "dimensions", abort: "signal" },
};

const INPUT = "a string, or an array of strings, or token ids, and not an empty one";

/** Read as a whole, since what its elements may be depends on the others. */
const input: kinds.Kind<EmbeddingCreateParams["input"]> = {
  what: INPUT,
  read: (value, name) => {
    if (typeof value !== "string" && !(Array.isArray(value) && value.length > 0)) throw refused(name, value, INPUT);
    return value as EmbeddingCreateParams["input"];
  },
};

/** Accepted for the sake of programs that send it. */
const unused = { kind: kinds.text };

/** OpenAI's request, and what goes with it. */
export const REQUEST = {
  fields: {
    of: "embeddings.create",
    table: {
      input: { kind: input, otherwise: "needed" },
      model: unused,
      encoding_format: { kind: kinds.oneOf("float", "base64"), otherwise: '`"float"`' },
      dimensions,
      user: unused,
    },
    lacking: { signal: "give it in the second argument: create(params, { signal })" },
  } satisfies Options<EmbeddingCreateParams>,
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
    const whole: unknown = input.read(given, "input");
    if (!Array.isArray(whole) || typeof whole[0] === "number") return [readOne(whole, "input")];
    return whole.map((one: unknown, index) => readOne(one, `input[${String(index)}]`));
  });
}

function readOne(value: unknown, name: string): protocol.EmbedInput {
  if (typeof value === "string") return { type: "text", body: value };
  if (kindOf(value) === "Uint32Array" || (Array.isArray(value) && value.length > 0)) return { type: "ids", body: readIds(value, name) };
  throw refused(name, value, "a string, or token ids");
}
