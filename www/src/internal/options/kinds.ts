/** Kinds of values. Each says in words what a value may be, and takes it or refuses it by name. */
import { kindOf, refused, word } from "./refuse.js";

export interface Kind<T> {
  /** Ends the sentence "it may be …". */
  readonly what: string;
  /** The value as it is used from here on: nothing in it can change, or throw when it is read again. */
  readonly read: (value: unknown, name: string) => T;
  /** Never there: with it, TypeScript takes no kind for another whose values are fewer or more. */
  readonly type?: (value: T) => T;
}

export const U32 = 2 ** 32 - 1;

function kind<T>(what: string, fits: (value: unknown) => boolean): Kind<T> {
  return {
    what,
    read: (value, name) => {
      if (!fits(value)) throw refused(name, value, what);
      return value as T;
    },
  };
}

/** A whole number within bounds; `hint` goes on after them. */
export function whole(min: number, max: number, hint = ""): Kind<number> {
  return kind(`a whole number from ${String(min)} to ${String(max)}${hint}`, (value) => isWhole(value, min, max));
}

function isWhole(value: unknown, min: number, max: number): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= min && value <= max;
}

/** A number that the engine holds in 32 bits, so it is judged as it is there. */
export function float(what: string, fits: (value: number) => boolean): Kind<number> {
  return kind(what, (value) => {
    if (typeof value !== "number") return false;
    const held = Math.fround(value);
    return Number.isFinite(held) && fits(held);
  });
}

/** A whole number, or as many as there are. */
export const count: Kind<number> = kind("a whole number from 0, or Infinity", (value) => value === Infinity || isWhole(value, 0, U32));

export function between(min: number, max: number): Kind<number> {
  return float(`a number from ${String(min)} to ${String(max)}`, (value) => value >= min && value <= max);
}

export const flag: Kind<boolean> = kind("true or false", (value) => typeof value === "boolean");

export const text: Kind<string> = textAlone("a string");

export function textAlone(what: string): Kind<string> {
  return kind(what, (value) => typeof value === "string");
}

export function textLike(what: string, pattern: RegExp): Kind<string> {
  return kind(what, (value) => typeof value === "string" && pattern.test(value));
}

/** One of a few values: strings, numbers, true or false. */
export function oneOf<const Values extends readonly (string | number | boolean)[]>(...values: Values): Kind<Values[number]> {
  return kind(enumerated(values.map((value) => JSON.stringify(value))), (value) => values.includes(value as Values[number]));
}

/** `why` there is no choice goes on after the values. */
export function only<const Values extends readonly (string | number | boolean)[]>(why: string, ...values: Values): Kind<Values[number]> {
  const among = oneOf(...values);
  return kind(`${among.what}: ${why}`, (value) => values.includes(value as Values[number]));
}

export function autoOr(min: number, max: number): Kind<"auto" | number> {
  return kind(`"auto" or a whole number from ${String(min)} to ${String(max)}`, (value) => value === "auto" || isWhole(value, min, max));
}

function enumerated(words: readonly string[]): string {
  return words.length < 2 ? words.join() : `${words.slice(0, -1).join(", ")} or ${words.at(-1) ?? ""}`;
}

/** An array, copied, each of whose elements is of a kind; a hole is one that is undefined. */
export function listOf<T>(element: Kind<T>, what: string, least = 0): Kind<readonly T[]> {
  return {
    what,
    read: (value, name) => {
      if (!Array.isArray(value) || value.length < least) throw refused(name, value, what);
      return Array.from(value as readonly unknown[], (one, index) => element.read(one, `${name}[${String(index)}]`));
    },
  };
}

/** One string of a form, or an array of such strings. */
export function oneOrMore(pattern: RegExp, one: string, more: string): Kind<string | readonly string[]> {
  const what = `${one}, or ${more}`;
  const single = textLike(what, pattern);
  const list = listOf(textLike(one, pattern), what);
  return { what, read: (value, name) => (Array.isArray(value) ? list : single).read(value, name) };
}

/** A string, or what else it may be, whose words name both. */
export function textOr<T>(other: Kind<T>): Kind<string | T> {
  return { what: other.what, read: (value, name) => (typeof value === "string" ? value : other.read(value, name)) };
}

/** One of a few words, or what else it may be, whose words name them. */
export function wordOr<T, const Words extends readonly string[]>(other: Kind<T>, ...words: Words): Kind<T | Words[number]> {
  const isWord = (value: unknown): value is Words[number] => (words as readonly unknown[]).includes(value);
  return { what: other.what, read: (value, name) => (isWord(value) ? value : other.read(value, name)) };
}

/** An array with nothing in it. */
export function empty(why: string): Kind<readonly []> {
  return kind(`an empty array: ${why}`, (value) => Array.isArray(value) && value.length === 0);
}

export function textOrFunction<T>(): Kind<T> {
  return kind("a string, or a function that gives one", (value) => typeof value === "string" || typeof value === "function");
}

export function callback<T>(): Kind<T> {
  return kind("a function", (value) => typeof value === "function");
}

/** Told by what it does, since that of another frame is no instance of this one's class. */
export const signal: Kind<AbortSignal> = kind("an AbortSignal, as `new AbortController().signal` or `AbortSignal.timeout(1000)` are", (value) => {
  if (typeof value !== "object" || value === null) return false;
  const { aborted, addEventListener, removeEventListener } = value as Partial<AbortSignal>;
  return typeof aborted === "boolean" && typeof addEventListener === "function" && typeof removeEventListener === "function";
});

/** An object of the kind that `{}` makes, or an instance of somebody's class; no Map, no Promise, no array. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && /^(?:Object|Module)$/.test(kindOf(value));
}

/** Numbers by token id. */
export const biases: Kind<Readonly<Record<number, number>>> = {
  what: "an object whose keys are token ids and whose values are numbers, or -Infinity to ban a token",
  read: (value, name) => {
    if (!isRecord(value)) throw refused(name, value, biases.what);
    const bias = float("a number, or -Infinity to ban the token", () => true);
    const entries = Object.entries(value).map(([id, one]) => {
      if (!/^(?:0|[1-9]\d{0,9})$/.test(id) || Number(id) > U32) throw refused(`a key of ${name}`, id, "a token id");
      return [id, one === -Infinity ? one : bias.read(one, `${name}[${id}]`)] as const;
    });
    return Object.fromEntries(entries);
  },
};

/** Levels of objects in objects that are read; one that holds itself has no end. */
const DEEPEST = 32;
/** Of a place in them that a message names. */
const LONGEST_NAME = 300;

/** An object of what JSON can say, copied, so that it reaches the engine whole: what JSON would leave out is refused. */
export function json<T>(what: string): Kind<T> {
  return {
    what,
    read: (value, name) => {
      if (!isRecord(value)) throw refused(name, value, what);
      return copyOf(value, name) as T;
    },
  };
}

/** The same value, of what JSON can say; whatever else is in it is refused by its place. */
export function copyOf(value: unknown, name: string, deepest = DEEPEST, levels = deepest): unknown {
  if (value === null || typeof value === "string" || typeof value === "boolean" || Number.isFinite(value)) return value;
  if (levels > 0 && Array.isArray(value)) return Array.from(value as readonly unknown[], (one, index) => copyOf(one, `${name}[${String(index)}]`, deepest, levels - 1));
  if (levels > 0 && isRecord(value)) {
    const given = Object.entries(value).filter(([, one]) => one !== undefined);
    return Object.fromEntries(given.map(([key, one]) => [key, copyOf(one, `${name}.${word(key)}`, deepest, levels - 1)]));
  }
  throw refused(name.length > LONGEST_NAME ? `${name.slice(0, LONGEST_NAME)}…` : name, value, `what JSON can say, ${String(deepest)} levels deep at most`);
}

export const headers: Kind<HeadersInit> = {
  what: "what `new Headers()` takes: an object, or an array of pairs, of names and values that a header may have",
  read: (value, name) => {
    // A string would be read as an array of its characters.
    if (typeof value === "object") {
      try {
        return new Headers(value as HeadersInit);
      } catch {
        // The browser's own words may have the value in them, which may be a secret.
      }
    }
    throw refused(name, value, headers.what);
  },
};

/** An address, as it was given: whose base it has, its user knows. */
export const address: Kind<string | URL> = {
  what: "an address: a string or a URL",
  read: (value, name) => {
    const kind = kindOf(value);
    if ((typeof value === "string" && value !== "") || kind === "URL") {
      try {
        new URL(value as string | URL, base());
        return String(value);
      } catch {
        // As any other value that is none.
      }
    }
    throw refused(name, value, address.what);
  },
};

/** Any that serves to tell an address from a string that is none. */
function base(): string {
  return (globalThis as { location?: Location }).location?.href ?? "https://localhost/";
}

export const worker: Kind<Worker | (() => Worker)> = kind("a Worker, or a function that makes one", (value) => typeof value === "function" || isWorker(value));

/** Also one of `b158/testing`, or of another frame. */
export function isWorker(value: unknown): value is Worker {
  if (typeof value !== "object" || value === null) return false;
  const { postMessage, terminate, addEventListener } = value as Partial<Worker>;
  return [postMessage, terminate, addEventListener].every((method) => typeof method === "function");
}

const INPUTS = "a string, or an array of strings, or token ids, and not an empty one";

/** Texts or token ids, one or several. Read as a whole, since what its elements may be depends on the others. */
export const inputs: Kind<string | readonly string[] | readonly number[] | readonly (readonly number[])[]> = kind(INPUTS, (value) => typeof value === "string" || (Array.isArray(value) && value.length > 0));
