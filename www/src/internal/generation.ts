import type { GenerateOptions, Generation, GenerationResult } from "../public/types.js";
import { Deferred } from "./deferred.js";
import type { Token } from "./protocol.js";

/** How it ended, and whether it called tools. */
export type Ended = GenerationResult & { readonly called?: boolean };

/** Keeps the tokens, so that iterating late, twice, or beside `result()` loses none. */
export class GenerationStream implements Generation {
  readonly #sendCancel: () => void;
  readonly onPrefill: GenerateOptions["onPrefill"];
  readonly onPrepare: GenerateOptions["onPrepare"];
  readonly #tokens: Token[] = [];
  readonly #result = new Deferred<Ended>();
  readonly #begun = new Deferred<void>();
  #ended = false;
  #change = new Deferred<void>();

  constructor(sendCancel: () => void, { onPrefill, onPrepare }: Pick<GenerateOptions, "onPrefill" | "onPrepare"> = {}) {
    this.#sendCancel = sendCancel;
    this.onPrefill = onPrefill;
    this.onPrepare = onPrepare;
  }

  result(): Promise<Ended> {
    return this.#result.promise;
  }

  /** Kept when the worker has taken the request, and reads the prompt. */
  begun(): Promise<void> {
    return this.#begun.promise;
  }

  begin(): void {
    this.#begun.resolve();
  }

  cancel(): void {
    if (!this.#ended) this.#sendCancel();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Token, void> {
    let next = 0;
    try {
      for (;;) {
        const token = this.#tokens[next];
        if (token) {
          next++;
          yield token;
        } else if (this.#ended) {
          await this.#result.promise; // throws what ended it, if anything did
          return;
        } else {
          await this.#change.promise;
        }
      }
    } finally {
      this.cancel(); // left by break, return or throw
    }
  }

  push(tokens: readonly Token[]): void {
    this.begin();
    this.#tokens.push(...tokens);
    this.#wake();
  }

  finish({ finishReason, usage, timings, called }: Omit<Ended, "text">): void {
    const text = this.#tokens.map((token) => token.text).join("");
    this.#ended = true;
    this.begin();
    this.#result.resolve({ text, finishReason, usage, timings, ...(called !== undefined && { called }) });
    this.#wake();
  }

  fail(reason: unknown): void {
    this.#ended = true;
    this.#begun.reject(reason);
    this.#result.reject(reason);
    this.#wake();
  }

  #wake(): void {
    this.#change.resolve();
    this.#change = new Deferred();
  }
}
