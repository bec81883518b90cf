/** Web IDL's conversions (https://webidl.spec.whatwg.org/#js-type-mapping), as far as the interface needs them: what is of the wrong kind is a TypeError. */
import { kindOf, quoted } from "../internal/options/refuse.js";

/** A dictionary, whose members are read one by one; `null` and `undefined` have none. */
export function dictionary(value: unknown, what: string): Readonly<Record<string, unknown>> {
  if (value === undefined || value === null) return {};
  if (typeof value !== "object" && typeof value !== "function") throw new TypeError(`${what} is not an object`);
  return value as Readonly<Record<string, unknown>>;
}

export function string(value: unknown, what: string): string {
  if (typeof value === "symbol") throw new TypeError(`${what} is a symbol, and must be a string`);
  return String(value);
}

/** A member that must be there. */
export function required(of: Readonly<Record<string, unknown>>, name: string, what: string): unknown {
  const value = of[name];
  if (value === undefined) throw new TypeError(`${what} has no ${name}, which is required`);
  return value;
}

export function oneOf<const Values extends readonly string[]>(values: Values, value: unknown, what: string): Values[number] {
  const text = string(value, what);
  if (!values.includes(text)) throw new TypeError(`${what} is ${quoted(text)}; it may be ${values.join(", ")}`);
  return text;
}

/** Whether it counts as a sequence where a string would do as well. */
export function isIterable(value: unknown): value is Iterable<unknown> {
  return typeof value === "object" && value !== null && typeof (value as Partial<Iterable<unknown>>)[Symbol.iterator] === "function";
}

export function sequence<T>(value: unknown, what: string, read: (value: unknown, what: string) => T): T[] {
  if (!isIterable(value)) throw new TypeError(`${what} is not iterable`);
  return Array.from(value, (one, index) => read(one, `${what}[${String(index)}]`));
}

/** `unrestricted double`. */
export function double(value: unknown, what: string): number {
  if (typeof value === "symbol" || typeof value === "bigint") throw new TypeError(`${what} is not a number`);
  return Number(value);
}

export function callback(value: unknown, what: string): (...args: unknown[]) => unknown {
  if (typeof value !== "function") throw new TypeError(`${what} is not a function`);
  return value as (...args: unknown[]) => unknown;
}

/** That of another frame is no instance of this one's class. */
export function signal(value: unknown, what: string): AbortSignal | undefined {
  if (value === undefined) return undefined;
  if (kindOf(value) !== "AbortSignal") throw new TypeError(`${what} is not an AbortSignal`);
  return value as AbortSignal;
}

type Method = (this: unknown, ...args: unknown[]) => unknown;

/**
 * Makes members as Web IDL has them: enumerable; methods with their number of required arguments, without which they refuse; those that give a
 * promise refuse by rejecting it.
 */
export function conform(target: object, operations: Readonly<Record<string, { least: number; promises?: boolean }>>): void {
  for (const [name, { value, ...descriptor }] of Object.entries(Object.getOwnPropertyDescriptors(target))) {
    if (!descriptor.configurable) continue;
    const operation = Object.hasOwn(operations, name) ? operations[name] : undefined;
    if (operation) {
      const own = value as Method;
      const { least, promises = true } = operation;
      const call: Method = {
        [name](this: unknown, ...args: unknown[]) {
          const refusal = new TypeError(`${name} needs ${String(least)} argument${least === 1 ? "" : "s"}, and was given ${String(args.length)}`);
          if (!promises) {
            if (args.length < least) throw refusal;
            return own.apply(this, args);
          }
          if (args.length < least) return Promise.reject(refusal);
          // An async function rejects by itself, also for a `this` that is no session.
          return own.apply(this, args);
        },
      }[name] as Method;
      Object.defineProperty(call, "length", { value: least, configurable: true });
      Object.defineProperty(target, name, { value: call, enumerable: true, configurable: true, writable: true });
    } else if (descriptor.get) {
      Object.defineProperty(target, name, { ...descriptor, enumerable: true });
    }
  }
}

/** What `Object.prototype.toString` calls its instances. */
export function tag(prototype: object, name: string): void {
  Object.defineProperty(prototype, Symbol.toStringTag, { value: name, configurable: true });
}

/** Event handler attributes (https://html.spec.whatwg.org/#event-handler-idl-attributes): one listener each, which keeps its place among the others. */
export class Handlers {
  readonly #target: EventTarget;
  readonly #handlers = new Map<string, ((event: Event) => unknown) | null>();

  constructor(target: EventTarget) {
    this.#target = target;
  }

  get(type: string): ((event: Event) => unknown) | null {
    return this.#handlers.get(type) ?? null;
  }

  set(type: string, value: unknown): void {
    if (!this.#handlers.has(type)) {
      this.#target.addEventListener(type, (event) => {
        if (this.#handlers.get(type)?.call(this.#target, event) === false) event.preventDefault();
      });
    }
    this.#handlers.set(type, typeof value === "function" ? (value as (event: Event) => unknown) : null);
  }
}
