/** JSON schemas. */
import type { JsonSchema } from "../../public/formats.js";
import { copyOf, isRecord, type Kind } from "./kinds.js";
import { refused } from "./refuse.js";

/** Levels of a schema. Engines refuse fewer, in words of their own. */
const DEEPEST = 256;

/** A copy, or the JSON text as it is, in which every digit of a number stays. */
export const schema: Kind<JsonSchema> = {
  what: "a JSON schema: an object, true or false, or the JSON text of one",
  read: (value, name) => {
    if (typeof value === "string" || typeof value === "boolean") return value;
    if (!isRecord(value)) throw refused(name, value, schema.what);
    return copyOf(value, name, DEEPEST) as object;
  },
};
