/** An object of options against its table: what is known is taken or refused by its kind, what is unknown is refused by its name. */
import { BitNetError } from "../../public/errors.js";
import { isRecord, type Kind } from "./kinds.js";
import { nearest, plain } from "./nearest.js";
import { guarded, refused, word } from "./refuse.js";

/** How one option is read, and what counts where it is not given. */
export interface Option<T> {
  readonly kind: Kind<T>;
  /** In words, for the reference. */
  readonly otherwise?: string;
}

/** An option for each field of `T`, and for nothing else: TypeScript refuses a table with one more or less. */
export type Table<T> = { readonly [Name in keyof T]-?: Option<NonNullable<T[Name]>> };

export interface Options<T> {
  /** Whose options they are, for a person: `generate`. */
  readonly of: string;
  readonly table: Table<T>;
  /** Names of other programs, each in the form of `plain`, for what this one calls otherwise. */
  readonly alias?: Readonly<Record<string, keyof T & string>>;
  /** What is known, but not to be had here, and why. */
  readonly lacking?: Readonly<Record<string, string>>;
  /** What other programs add to such an object, and adds nothing to its meaning: accepted, and not read. */
  readonly passedOver?: readonly string[];
}

/**
 * What is given of the options, each read once; `undefined` and `null` count as absent.
 *
 * `path` goes before the names in messages, where the object itself is a field of another.
 */
export function readOptions<T>({ of, table, alias = {}, lacking = {}, passedOver = [] }: Options<T>, given: unknown, path = ""): T {
  if (given === undefined || given === null) return {} as T;
  const whole = path === "" ? `the options argument of ${of}` : path.slice(0, -1);
  if (!isRecord(given)) throw refused(whole, given, "an object");
  const found: [string, unknown][] = [];
  for (const [name, { kind }] of Object.entries(table as Record<string, Option<unknown>>)) {
    const read = guarded(path + name, () => {
      const value = given[name];
      return value === undefined || value === null ? undefined : { value: kind.read(value, path + name) };
    });
    if (read) found.push([name, read.value]);
  }
  for (const name of guarded(whole, () => namesOf(given))) {
    if (Object.hasOwn(table, name) || passedOver.includes(name)) continue;
    const value = guarded(path + name, () => given[name]);
    if (value === undefined || value === null) continue;
    throw new BitNetError("invalid-argument", `${path}${word(name)} ${unknown(name, of, Object.keys(table), alias, lacking)}`);
  }
  return Object.fromEntries(found) as T;
}

/** What the fields of a record have to do with each other: takes what was read of it, or refuses. `given` is the record as it came. */
export type Rule<T, Ruled = T> = (options: Options<T>, read: T, given: T, name: string) => Ruled;

/** An object with fields of its own, some of which must be there. */
export function record<T extends object>(options: Options<T>, what: string, needed?: readonly (keyof T & string)[]): Kind<T>;
export function record<T extends object, Ruled>(options: Options<T>, what: string, needed: readonly (keyof T & string)[], rule: Rule<T, Ruled>): Kind<Ruled>;
export function record<T extends object>(options: Options<T>, what: string, needed: readonly (keyof T & string)[] = [], rule?: Rule<T, unknown>): Kind<unknown> {
  return {
    what,
    read: (value, name) => {
      if (!isRecord(value)) throw refused(name, value, what);
      const read = readOptions(options, value, `${name}.`);
      for (const field of needed) if (!Object.hasOwn(read, field)) throw refused(`${name}.${field}`, value[field], options.table[field].kind.what);
      return rule ? rule(options, read, value as T, name) : read;
    },
  };
}

/** Names of the object and of what it inherits, but for what every object does. */
function namesOf(given: object): string[] {
  const names: string[] = [];
  for (const name in given) if (Object.hasOwn(given, name) || !(name in Object.prototype)) names.push(name);
  return names;
}

function unknown(name: string, of: string, known: readonly string[], alias: Readonly<Record<string, string>>, lacking: Readonly<Record<string, string>>): string {
  if (Object.hasOwn(lacking, name)) return `is not offered: ${lacking[name] ?? ""}`;
  const given = plain(name);
  const meant = (Object.hasOwn(alias, given) ? alias[given] : undefined) ?? nearest(name, known);
  return `is not an option of ${of}; ${meant === undefined ? `it takes ${known.length === 0 ? "none" : known.join(", ")}` : `do you mean ${meant}?`}`;
}
