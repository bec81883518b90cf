import { BitNetError } from "../public/errors.js";
import type { GenerateOptions, Prompt, Session } from "../public/types.js";
import type { Args, CallName, Connection, Value } from "./connection.js";
import { GenerationStream } from "./generation.js";
import { asSent } from "./options/format.js";
import { readPrompt } from "./options/messages.js";
import { readOptions } from "./options/read.js";
import { kindOf, refused } from "./options/refuse.js";
import { GENERATE } from "./options/tables.js";
import type { GenerateRequest } from "./protocol.js";

/** What only a chat completion asks for. */
export type Asked = Pick<GenerateRequest, "tools" | "toolChoice" | "parallelToolCalls" | "pieces">;

/** A session of the worker, by its number. */
export class WorkerSession implements Session {
  readonly #connection: Connection;
  readonly #number: number;
  #disposed: BitNetError | undefined;

  constructor(connection: Connection, number: number) {
    this.#connection = connection;
    this.#number = number;
  }

  generate(prompt: Prompt, options: GenerateOptions = {}, asked: Asked = {}): GenerationStream {
    try {
      if (this.#disposed) throw this.#disposed;
      const read = readOptions(GENERATE, options);
      const { signal: _signal, onPrefill: _onPrefill, onPrepare: _onPrepare, stop, responseFormat, ...rest } = read;
      const request = { ...rest, ...(stop !== undefined && { stop: [stop].flat() }), ...asSent(responseFormat), ...asked, ...readPrompt(prompt) };
      return this.#connection.generate(this.#number, request, read);
    } catch (error) {
      const stream = new GenerationStream(() => undefined);
      stream.fail(error);
      return stream;
    }
  }

  /** Tokens of the prompt that this would be. It reads nothing, and does not wait for generations. */
  async countTokens(prompt: Prompt, { chatTemplateKwargs }: Pick<GenerateOptions, "chatTemplateKwargs">, { tools, toolChoice }: Asked): Promise<number> {
    const request = { ...(chatTemplateKwargs && { chatTemplateKwargs }), ...(tools && { tools }), ...(toolChoice && { toolChoice }), ...readPrompt(prompt) };
    return this.#call("countTokens", { request });
  }

  async clone(): Promise<Session> {
    return new WorkerSession(this.#connection, await this.#call("cloneSession", { session: this.#number }));
  }

  save(): Promise<Uint8Array<ArrayBuffer>> {
    return this.#call("saveSession", { session: this.#number });
  }

  async restore(bytes: Uint8Array): Promise<void> {
    if (kindOf(bytes) !== "Uint8Array") throw refused("bytes", bytes, "a saved session: a Uint8Array, as save() gives it");
    await this.#call("restoreSession", { session: this.#number, bytes });
  }

  async reset(): Promise<void> {
    await this.#call("resetSession", { session: this.#number });
  }

  async dispose(): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = new BitNetError("disposed", "the session has been disposed of; open another");
    await this.#connection.closeSession(this.#number, this.#disposed);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  #call<Name extends CallName>(name: Name, ...args: Args<Name>): Promise<Value<Name>> {
    return this.#disposed ? Promise.reject(this.#disposed) : this.#connection.call(name, ...args);
  }
}
