import { BitNetError } from "../public/errors.js";
import type { GenerateOptions, Generation, Prompt, Session } from "../public/types.js";
import type { Connection } from "./connection.js";
import type { GenerateRequest } from "./engine.js";
import { GenerationStream } from "./generation.js";
import type { CallName, Calls } from "./protocol.js";

/** A session of the worker, by its number. */
export class WorkerSession implements Session {
  readonly #connection: Connection;
  readonly #number: number;
  #disposed: BitNetError | undefined;

  constructor(connection: Connection, number: number) {
    this.#connection = connection;
    this.#number = number;
  }

  generate(prompt: Prompt, options: GenerateOptions = {}): Generation {
    if (this.#disposed) {
      const stream = new GenerationStream(() => undefined);
      stream.fail(this.#disposed);
      return stream;
    }
    const { signal: _signal, onPrefill: _onPrefill, ...rest } = options;
    // An option that is there but undefined counts as absent.
    const given = Object.fromEntries(Object.entries<unknown>(rest).filter(([, value]) => value !== undefined));
    return this.#connection.generate(this.#number, { ...given, ...asRequest(prompt) }, options);
  }

  async clone(): Promise<Session> {
    return new WorkerSession(this.#connection, await this.#call("cloneSession", this.#number));
  }

  save(): Promise<Uint8Array<ArrayBuffer>> {
    return this.#call("saveSession", this.#number);
  }

  async restore(bytes: Uint8Array): Promise<void> {
    if (!(bytes instanceof Uint8Array)) throw new BitNetError("invalid-argument", "a saved session is a Uint8Array, as save() gives it");
    await this.#call("restoreSession", this.#number, bytes);
  }

  async reset(): Promise<void> {
    await this.#call("resetSession", this.#number);
  }

  async dispose(): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = new BitNetError("disposed", "the session has been disposed of; open another");
    await this.#connection.closeSession(this.#number, this.#disposed);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  #call<Name extends CallName>(name: Name, ...args: Calls[Name]["args"]): Promise<Calls[Name]["value"]> {
    return this.#disposed ? Promise.reject(this.#disposed) : this.#connection.call(name, ...args);
  }
}

function asRequest(prompt: Prompt): GenerateRequest {
  if (typeof prompt === "string") return { prompt };
  return prompt instanceof Uint32Array ? { ids: prompt } : { messages: prompt };
}
