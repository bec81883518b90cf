/** The words in which a value is refused. They are shown to people, and never fail themselves, whatever the value is. */
import { BitNetError } from "../../public/errors.js";

const LONGEST = 60;

/** `NAME is VALUE; it may be WHAT`. */
export function refused(name: string, value: unknown, what: string, options?: ErrorOptions): BitNetError {
  return new BitNetError("invalid-argument", `${name} is ${show(value)}; it may be ${what}`, options);
}

/** A value in a few words: strings in quotes, so that `"3"` is told from `3`; of objects their kind alone. */
export function show(value: unknown): string {
  switch (typeof value) {
    case "string":
      return quoted(value);
    case "bigint":
      return value.toString().length > LONGEST ? "a BigInt" : `the BigInt ${String(value)}`;
    case "symbol":
      return "a symbol";
    case "function":
      return "a function";
    case "object":
      return value === null ? "null" : article(value, kindOf(value));
    default:
      return Object.is(value, -0) ? "-0" : String(value);
  }
}

/**
 * Reads what somebody else made: its getters, or the traps of a proxy, may throw, which becomes an error of this package that has the
 * name of what was read.
 */
export function guarded<T>(name: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    if (cause instanceof BitNetError) throw cause;
    const why = cause instanceof Error ? quoted(cause.message) : "reading it threw something that is no error";
    throw new BitNetError("invalid-argument", `${name} can't be read: ${why}`, { cause });
  }
}

/** What `Object.prototype.toString` calls it; also right for objects of another frame, which `instanceof` does not know. */
export function kindOf(value: unknown): string {
  try {
    return Array.isArray(value) ? "array" : Object.prototype.toString.call(value).slice("[object ".length, -1);
  } catch {
    return "Object"; // a proxy that has been revoked, or a getter that throws
  }
}

function article(value: object, kind: string): string {
  if (kind === "Object") return "an object";
  if (kind === "array") return (value as unknown[]).length === 0 ? "an empty array" : "an array";
  if (kind === "Promise") return "a Promise (await it)";
  return `${/^[aeiou]/i.test(kind) ? "an" : "a"} ${kind}`;
}

/** Characters that would not be seen, or would turn the line around, are written as escapes. */
export function quoted(text: string): string {
  const short = text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text;
  const escape = (character: string) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
  return JSON.stringify(short).replace(/[\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g, escape);
}

/** A name as it is, unless it could not be read in a line of text. */
export function word(name: string): string {
  return /^[\w-]{1,60}$/.test(name) ? name : quoted(name);
}
