import type { GenerateOptions, GenerationResult, Prompt, ResponseFormat } from "b158";
import type { Engine, Piece, Writing } from "./engine.js";

/** Put into the page by `b158 serve` (build.rs): where its API is. No other host's page asks for one. */
const MARK = 'meta[name="b158-engine"]';
/** Of this tab, and gone with it. */
const KEY = "b158-engine-key";

/** What the engine that serves this page says of its model. */
export interface Served {
  readonly id: string;
  readonly architecture: string;
  readonly parameters: number;
  readonly quantization: string;
  readonly contextLength: number;
  readonly backend: string;
  readonly threads: number;
}

/** What went wrong between the page and the engine. */
export class EngineError extends Error {
  override readonly name = "EngineError";

  constructor(
    /** `key`: it asks for one; `loading`: its model is not there yet; `gone`: nobody answers; `refused`: it does not answer this; `cut`: in the middle. */
    readonly code: "key" | "loading" | "busy" | "gone" | "refused" | "cut",
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** The engine of the computer that this page comes from. */
export class ServedEngine implements Engine {
  readonly #base: URL;
  #served: Served | undefined;

  private constructor(base: URL) {
    this.#base = base;
  }

  /** Undefined where the page comes from any other host. */
  static ofPage(): ServedEngine | undefined {
    const path = document.querySelector<HTMLMetaElement>(MARK)?.content;
    if (path === undefined) return undefined;
    const base = new URL(path, location.href);
    return base.origin === location.origin ? new ServedEngine(base) : undefined;
  }

  get contextLength(): number {
    return this.#served?.contextLength ?? 0;
  }

  readonly kvCacheBytes = 0;

  set key(key: string) {
    sessionStorage.setItem(KEY, key);
  }

  /** Asks what it serves; rejects with an `EngineError`, or with the signal's reason. */
  async ask(signal: AbortSignal): Promise<Served> {
    const response = await this.#fetch("models", { signal });
    const list = (await response.json()) as { data: readonly [ModelEntry, ...ModelEntry[]] };
    const [{ id, architecture, parameters, quantization, context_length, backend, threads }] = list.data;
    return (this.#served = { id, architecture, parameters, quantization, contextLength: context_length, backend, threads });
  }

  generate(prompt: Prompt, options: GenerateOptions): Writing {
    const request = requestOf(prompt, options);
    return new Answer((signal) => this.#fetch(request.path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(request.body), signal }));
  }

  stats(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  /** An answer with a status of success. */
  async #fetch(path: string, init: RequestInit & { signal: AbortSignal }): Promise<Response> {
    const headers = new Headers(init.headers);
    const key = sessionStorage.getItem(KEY);
    if (key !== null) headers.set("authorization", `Bearer ${key}`);
    let response;
    try {
      response = await fetch(new URL(path, this.#base), { ...init, headers, cache: "no-store", credentials: "omit" });
    } catch (cause) {
      init.signal.throwIfAborted();
      throw new EngineError("gone", `nobody answers at ${this.#base.host}; is b158 serve running there?`, { cause });
    }
    if (response.ok) return response;
    const message = await complaint(response);
    if (response.status === 401) {
      sessionStorage.removeItem(KEY);
      throw new EngineError("key", message);
    }
    throw new EngineError(response.status === 503 ? "loading" : response.status === 429 ? "busy" : "refused", message);
  }
}

interface ModelEntry extends Omit<Served, "contextLength"> {
  readonly context_length: number;
}

/** What an answer with an error says. */
async function complaint(response: Response): Promise<string> {
  const text = await response.text().catch(() => "");
  try {
    const { error } = JSON.parse(text) as { error?: { message?: unknown } };
    if (typeof error?.message === "string") return error.message;
  } catch {
    // Of somebody between: its status says the most.
  }
  return `it answered with status ${String(response.status)}`;
}

/** The same request in OpenAI's words. */
function requestOf(prompt: Prompt, { maxTokens, temperature, topK, topP, minP, repeatPenalty, seed, responseFormat }: GenerateOptions) {
  const body = {
    max_tokens: maxTokens,
    temperature,
    top_k: topK,
    top_p: topP,
    min_p: minP,
    repeat_penalty: repeatPenalty,
    seed,
    ...(responseFormat && { response_format: openAis(responseFormat) }),
    stream: true,
    stream_options: { include_usage: true },
  };
  return typeof prompt === "string" || prompt instanceof Uint32Array
    ? { path: "completions", body: { prompt: typeof prompt === "string" ? prompt : [...prompt], ...body } }
    : { path: "chat/completions", body: { messages: prompt, ...body } };
}

function openAis(format: ResponseFormat): object {
  return format.type === "json_schema" ? { type: format.type, json_schema: { name: "answer", schema: format.schema } } : { type: format.type };
}

interface Settle {
  readonly resolve: (result: GenerationResult) => void;
  readonly reject: (why: unknown) => void;
}

class Answer implements Writing {
  readonly #pieces: AsyncGenerator<Piece, void>;
  readonly #stop = new AbortController();
  readonly #result: Promise<GenerationResult>;
  readonly #settle: Settle;

  constructor(send: (signal: AbortSignal) => Promise<Response>) {
    let settle: Settle | undefined;
    this.#result = new Promise((resolve, reject) => (settle = { resolve, reject }));
    if (!settle) throw new Error("a promise has begun without its functions");
    this.#settle = settle;
    this.#result.catch(() => undefined); // whoever iterates hears of it too
    this.#pieces = this.#read(send);
  }

  [Symbol.asyncIterator](): AsyncGenerator<Piece, void> {
    return this.#pieces;
  }

  result(): Promise<GenerationResult> {
    return this.#result;
  }

  /** The engine notices that nobody reads on. */
  cancel(): void {
    this.#stop.abort();
  }

  async #parts() {
    try {
      return await import("./served-stream.js");
    } catch (cause) {
      const error = new EngineError("gone", "a script of the page could not be loaded; reload the page", { cause });
      this.#settle.reject(error);
      throw error;
    }
  }

  async *#read(send: (signal: AbortSignal) => Promise<Response>): AsyncGenerator<Piece, void> {
    const { signal } = this.#stop;
    const began = performance.now();
    const { chunksOf, Tally, Words } = await this.#parts();
    const tally = new Tally();
    const words = new Words();
    try {
      signal.throwIfAborted();
      for await (const chunk of chunksOf(await send(signal))) {
        if (chunk.error) throw new EngineError("cut", chunk.error.message);
        tally.take(chunk);
        const [choice] = chunk.choices;
        const text = choice ? words.of(choice) : "";
        if (text === "") continue;
        const elapsedMs = performance.now() - began;
        const token = choice?.finish_reason === null;
        tally.piece(text, elapsedMs, token);
        yield { text, elapsedMs, token };
      }
      if (!tally.ended) throw new EngineError("cut", "the answer broke off: the engine has been stopped, or the way to it is gone");
      this.#settle.resolve(tally.result);
    } catch (error) {
      if (signal.aborted) this.#settle.resolve(tally.result);
      else {
        this.#settle.reject(error);
        throw error;
      }
    } finally {
      // Also of a loop that was left.
      this.#stop.abort();
      this.#settle.resolve(tally.result);
    }
  }
}
