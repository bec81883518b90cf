/**
 * The worker's side: loads a model, runs generations one after the other, answers calls in between.
 *
 * Every few milliseconds the loop goes back to the event loop through a message channel (a timer would be held back), so
 * that a cancel is seen within one token, while the prompt is read as well.
 */
import { BitNetError, type BitNetErrorCode } from "../public/errors.js";
import type { ModelInfo, Token } from "../public/types.js";
import { Deferred } from "./deferred.js";
import { OpfsStore } from "./download/opfs.js";
import { type DownloadProgress, FileChanged, TUNING } from "./download/request.js";
import type { Engine, EngineModule, GenerateRequest, Nullable, Step } from "./engine.js";
import type { WasmOptions } from "./load-wasm.js";
import { type DownloadPlace, Parts } from "./parts.js";
import type { Endpoint, FromWorker, PlainError, ToWorker } from "./protocol.js";

const SLICE_MS = 8;

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
  readonly #helpersStarted = new Deferred<string | undefined>();
  #jobs: Job[] = [];
  #running: Job | undefined;

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
        const { id, request } = message;
        this.#enqueue({ id, run: (engine) => this.#generate(engine, id, request) });
        break;
      }
      case "cancel":
        this.#cancel(message.id);
        break;
      case "call": {
        const { id } = message;
        const run = (engine: Engine) => {
          this.#post({ type: "value", id, value: answer(engine, message) });
        };
        // The KV cache may not go while a generation uses it.
        // And a generation under way would be measured along with the machine.
        if (message.name === "reset" || message.name === "roofline") this.#enqueue({ id, run });
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
        this.#post({ type: "downloaded", bytes });
        break;
      }
      case "finish": {
        const { engine, cached, notes } = await parts.finish();
        this.#parts = undefined;
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

  async #generate(engine: Engine, id: number, request: GenerateRequest): Promise<void> {
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

    engine.start(request);
    for (;;) {
      const step = engine.step();
      const now = performance.now();
      if (step.kind === "prefill") {
        prefill = step;
      } else if (step.kind === "token") {
        const { id, text, logProbability, entropy } = step;
        const doubt = typeof logProbability === "number" && typeof entropy === "number" ? { logProbability, entropy } : {};
        tokens.push({ id, text, elapsedMs: now - began, ...doubt });
      } else {
        if (step.text !== "") tokens.push({ text: step.text, elapsedMs: now - began });
        flush();
        this.#post({ type: "done", id, done: { ...step, memory: engine.memory() } });
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
      this.#engine?.cancel();
      return;
    }
    const queued = this.#jobs.findIndex((job) => job.id === id);
    if (queued < 0 || !this.#engine) return;
    this.#jobs.splice(queued, 1);
    const usage = { promptTokens: 0, cachedTokens: 0, completionTokens: 0 };
    const timings = { prefillMs: 0, decodeMs: 0, timeToFirstTokenMs: 0, prefillTokensPerSecond: 0, decodeTokensPerSecond: 0, decodeThreads: 0 };
    this.#post({ type: "done", id, done: { kind: "done", finishReason: "cancelled", text: "", usage, timings, memory: this.#engine.memory() } });
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

function answer(engine: Engine, call: Extract<ToWorker, { type: "call" }>): unknown {
  switch (call.name) {
    case "tokenize":
      return engine.tokenize(...call.args);
    case "detokenize":
      return engine.detokenize(...call.args);
    case "memory":
      return engine.memory();
    case "roofline":
      return engine.roofline();
    case "verifyDefaults":
      return engine.verifyDefaults();
    case "report":
      return engine.report(...call.args);
    case "reset":
      engine.reset();
      return undefined;
  }
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
