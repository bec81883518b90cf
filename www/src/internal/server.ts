/**
 * The worker's side: loads a model, runs generations one after the other, whatever their sessions, answers calls in between.
 *
 * Every few milliseconds the loop goes back to the event loop through a message channel (a timer would be held back), so
 * that a cancel is seen within one token, while the prompt is read as well.
 */
import { BitNetError, type BitNetErrorCode } from "../public/errors.js";
import type { ModelInfo, Token } from "../public/types.js";
import { Deferred } from "./deferred.js";
import { OpfsStore } from "./download/opfs.js";
import { type DownloadProgress, FileChanged, TUNING } from "./download/request.js";
import type { Engine, EngineModule, EngineSession, GenerateRequest, Nullable, Step } from "./engine.js";
import type { WasmOptions } from "./load-wasm.js";
import { type DownloadPlace, Parts } from "./parts.js";
import { OWN_SESSION, type CallName, type Endpoint, type FromWorker, type PlainError, type ToWorker } from "./protocol.js";

const SLICE_MS = 8;

/**
 * Calls that wait for the generations before them: they read or change what a generation uses, or measure the machine. The
 * others are answered at once.
 */
const IN_TURN: ReadonlySet<CallName> = new Set<CallName>(["cloneSession", "saveSession", "restoreSession", "resetSession", "closeSession", "roofline"]);

interface Job {
  id: number;
  run: (engine: Engine) => Promise<void> | void;
}

/** In a browser, where the end of the worker ends its downloads. */
const BROWSER: DownloadPlace = { openStore: () => OpfsStore.open(), tuning: TUNING, signal: new AbortController().signal };

export function serveEngine(port: Endpoint, loadModule: (options: WasmOptions) => Promise<EngineModule>, place = BROWSER): void {
  new Server(port, loadModule, place);
}

class Server {
  readonly #port: Endpoint;
  readonly #loadModule: (options: WasmOptions) => Promise<EngineModule>;
  #breath: [MessagePort, MessagePort];
  readonly #place: DownloadPlace;
  readonly #module = new Deferred<EngineModule>();
  #parts: Parts | undefined;
  /** Messages of loading are dealt with one after the other. */
  #loading: Promise<void> = Promise.resolve();
  #engine: Engine | undefined;
  readonly #sessions = new Map<number, EngineSession>();
  #nextSession = OWN_SESSION;
  readonly #helpersStarted = new Deferred<string | undefined>();
  #jobs: Job[] = [];
  #running: Job | undefined;
  /** Of the generation that runs. */
  #generating: EngineSession | undefined;

  constructor(port: Endpoint, loadModule: (options: WasmOptions) => Promise<EngineModule>, place: DownloadPlace) {
    this.#port = port;
    this.#place = place;
    this.#loadModule = loadModule;
    const { port1, port2 } = new MessageChannel();
    this.#breath = [port1, port2];
    port.addEventListener("message", (event: MessageEvent<ToWorker>) => void this.#receive(event.data));
  }

  async #receive(message: ToWorker): Promise<void> {
    switch (message.type) {
      case "open":
        // Not waited for: a download begins at the same time.
        void this.#attemptLoading(() => this.#open(message));
        break;
      case "load":
      case "part":
      case "chunk":
      case "download":
      case "finish":
        this.#loading = this.#loading.then(() => this.#attemptLoading(() => this.#load(message)));
        break;
      case "helpers-started":
        this.#helpersStarted.resolve(message.why);
        break;
      case "generate": {
        const { id, session, request } = message;
        this.#enqueue({ id, run: () => this.#generate(this.#session(session), id, request) });
        break;
      }
      case "cancel":
        this.#cancel(message.id);
        break;
      case "call": {
        const { id } = message;
        const run = (engine: Engine) => {
          const value = this.#answer(engine, message);
          this.#post({ type: "value", id, value }, value instanceof Uint8Array ? [value.buffer] : []);
        };
        if (IN_TURN.has(message.name)) this.#enqueue({ id, run });
        else if (this.#engine) await this.#attempt(this.#engine, { id, run });
      }
    }
  }

  async #attemptLoading(step: () => Promise<void>): Promise<void> {
    try {
      await step();
    } catch (error) {
      // Chunks that are still on their way are dropped.
      const parts = this.#parts;
      this.#parts = undefined;
      await parts?.drop(error);
      if (error instanceof FileChanged) this.#post({ type: "file-changed", url: error.url });
      else this.#report(error, (plain) => ({ type: "load-failed", error: plain }));
    }
  }

  async #open({ backend, wasmUrl, threads }: Extract<ToWorker, { type: "open" }>): Promise<void> {
    const onProgress = (loaded: number, total: number | undefined) => {
      this.#post({ type: "engine-progress", loaded, total });
    };
    const startHelpers: WasmOptions["startHelpers"] = (count, help) => {
      this.#post({ type: "start-helpers", count, help });
      return this.#helpersStarted.promise;
    };
    try {
      this.#module.resolve(await this.#loadModule({ backend, wasmUrl, threads, onProgress, startHelpers }));
    } catch (error) {
      this.#module.reject(error);
      throw error;
    }
    this.#post({ type: "opened" });
  }

  async #load(message: Extract<ToWorker, { type: "load" | "part" | "chunk" | "download" | "finish" }>): Promise<void> {
    if (message.type === "load") {
      await this.#parts?.drop();
      this.#parts = new Parts(this.#module.promise, this.#place, message.options);
      return;
    }
    const parts = this.#parts;
    if (!parts) return; // After a failure, chunks may still be on their way.
    switch (message.type) {
      case "part":
        await parts.begin(message.sha256, message.fileSize);
        break;
      case "chunk": {
        const { buffer, length } = message;
        const expectedSize = parts.push(new Uint8Array(buffer, 0, length));
        this.#post({ type: "taken", buffer, expectedSize }, [buffer]);
        break;
      }
      case "download": {
        const onProgress = (progress: DownloadProgress) => {
          this.#post({ type: "download-progress", progress });
        };
        const { bytes } = await parts.download(message.request, message.alone, onProgress);
        this.#post({ type: "downloaded", bytes, last: parts.isLast() });
        break;
      }
      case "finish": {
        const { engine, cached, notes } = await parts.finish();
        this.#parts = undefined;
        this.#keep(engine.session());
        this.#engine = engine;
        const info = withThreads(withoutNulls(engine.info()), (await this.#module.promise).threads);
        this.#post({ type: "loaded", info: { ...info, ...(cached !== undefined && { cached }), notes: [...info.notes, ...notes] } });
      }
    }
  }

  #enqueue(job: Job): void {
    this.#jobs.push(job);
    void this.#drain();
  }

  async #drain(): Promise<void> {
    if (this.#running || !this.#engine) return;
    while ((this.#running = this.#jobs.shift())) await this.#attempt(this.#engine, this.#running);
  }

  async #attempt(engine: Engine, job: Job): Promise<void> {
    try {
      await job.run(engine);
    } catch (error) {
      this.#report(error, (plain) => ({ type: "failed", id: job.id, error: plain }));
    }
  }

  async #generate(session: EngineSession, id: number, request: GenerateRequest): Promise<void> {
    session.start(request);
    this.#generating = session;
    try {
      await this.#run(session, id);
    } finally {
      this.#generating = undefined;
    }
  }

  async #run(session: EngineSession, id: number): Promise<void> {
    const began = performance.now();
    let sliceBegan = began;
    let tokens: Token[] = [];
    let prefill: Extract<Step, { kind: "prefill" }> | undefined;
    const flush = () => {
      if (prefill) this.#post({ type: "prefill", id, done: prefill.done, total: prefill.total });
      if (tokens.length > 0) this.#post({ type: "tokens", id, tokens });
      prefill = undefined;
      tokens = [];
    };

    for (;;) {
      const step = session.step();
      const now = performance.now();
      if (step.kind === "prefill") {
        prefill = step;
      } else if (step.kind === "token") {
        const { id, text, logProbability, entropy } = step;
        const logprobs = typeof logProbability === "number" && typeof entropy === "number" ? { logProbability, entropy } : {};
        tokens.push({ id, text, elapsedMs: now - began, ...logprobs });
      } else {
        if (step.text !== "") tokens.push({ text: step.text, elapsedMs: now - began });
        flush();
        this.#post({ type: "done", id, done: step });
        return;
      }
      if (now - sliceBegan >= SLICE_MS) {
        flush();
        await this.#breathe();
        sliceBegan = performance.now();
      }
    }
  }

  #cancel(id: number): void {
    if (this.#running?.id === id) {
      this.#generating?.cancel();
      return;
    }
    const queued = this.#jobs.findIndex((job) => job.id === id);
    if (queued < 0) return;
    this.#jobs.splice(queued, 1);
    const usage = { promptTokens: 0, cachedTokens: 0, completionTokens: 0 };
    const timings = { prefillMs: 0, decodeMs: 0, timeToFirstTokenMs: 0, prefillTokensPerSecond: 0, decodeTokensPerSecond: 0, decodeThreads: 0 };
    this.#post({ type: "done", id, done: { kind: "done", finishReason: "cancelled", text: "", usage, timings } });
  }

  #answer(engine: Engine, call: Extract<ToWorker, { type: "call" }>): unknown {
    switch (call.name) {
      case "tokenize":
        return engine.tokenize(...call.args);
      case "detokenize":
        return engine.detokenize(...call.args);
      case "memory": {
        const caches = [...this.#sessions.values()].map((session) => session.kvCacheBytes());
        return { ...engine.memory(), kvCacheBytes: caches.reduce((a, b) => a + b, 0), sessions: caches.length };
      }
      case "roofline":
        return engine.roofline();
      case "verifyDefaults":
        return engine.verifyDefaults();
      case "report":
        return engine.report(...call.args);
      case "openSession":
        return this.#keep(engine.session());
      case "cloneSession":
        return this.#keep(this.#session(...call.args).clone());
      case "saveSession":
        return this.#session(...call.args).save();
      case "restoreSession": {
        const [session, bytes] = call.args;
        this.#session(session).restore(bytes);
        return undefined;
      }
      case "resetSession":
        this.#session(...call.args).reset();
        return undefined;
      case "closeSession": {
        const [session] = call.args;
        this.#session(session).free();
        this.#sessions.delete(session);
        return undefined;
      }
    }
  }

  #session(number: number): EngineSession {
    const session = this.#sessions.get(number);
    if (!session) throw new BitNetError("disposed", "the session has been disposed of");
    return session;
  }

  #keep(session: EngineSession): number {
    const number = this.#nextSession++;
    this.#sessions.set(number, session);
    return number;
  }

  #breathe(): Promise<void> {
    // To and fro: Node.js would read one port again and again before it looks at any other.
    const [from, to] = this.#breath;
    this.#breath = [to, from];
    return new Promise((resolve) => {
      to.onmessage = () => {
        resolve();
      };
      from.postMessage(undefined);
    });
  }

  #report(error: unknown, wrap: (plain: PlainError) => FromWorker): void {
    const plain = toPlainError(error);
    if (plain) this.#post(wrap(plain));
    else this.#post({ type: "crashed", message: error instanceof Error ? error.message : String(error) });
  }

  #post(message: FromWorker, transfer: Transferable[] = []): void {
    this.#port.postMessage(message, transfer);
  }
}

/** Adds why there are no more threads: the engine itself can't know. */
function withThreads(info: ModelInfo, threads: EngineModule["threads"]): ModelInfo {
  if (threads?.why === undefined) return info;
  if (info.threads === 1) return { ...info, whySingleThreaded: threads.why };
  if (info.threads >= threads.wanted) return info;
  return { ...info, notes: [...info.notes, `${String(info.threads)} threads instead of ${String(threads.wanted)}: ${threads.why}`] };
}

export function withoutNulls<T>(fields: Nullable<T>): T {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null)) as T;
}

const ENGINE_CODES: ReadonlySet<string> = new Set<BitNetErrorCode>([
  "format",
  "unsupported-model",
  "out-of-memory",
  "context-overflow",
  "invalid-argument",
]);

/** Undefined for what the engine did not mean to throw: a trap, after which its memory can't be trusted. */
export function toPlainError(error: unknown): PlainError | undefined {
  if (error instanceof BitNetError) return { code: error.code, message: error.message };
  if (error instanceof Error && "code" in error && typeof error.code === "string" && ENGINE_CODES.has(error.code)) {
    return { code: error.code as BitNetErrorCode, message: error.message };
  }
  return undefined;
}
