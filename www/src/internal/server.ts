/**
 * The worker's side: loads a model from chunks, runs generations one after the other, answers calls in between.
 *
 * Every few milliseconds the loop goes back to the event loop through a message channel (a timer would be held back), so
 * that a cancel is seen within one token, while the prompt is read as well.
 */
import { BitNetError, type BitNetErrorCode } from "../public/errors.js";
import type { ModelInfo, Token } from "../public/types.js";
import { Deferred } from "./deferred.js";
import type { Engine, EngineModule, GenerateRequest, Loader, Nullable, Step } from "./engine.js";
import type { WasmOptions } from "./load-wasm.js";
import type { Endpoint, FromWorker, PlainError, ToWorker } from "./protocol.js";

const SLICE_MS = 8;

interface Job {
  id: number;
  run: (engine: Engine) => Promise<void> | void;
}

export function serveEngine(port: Endpoint, loadModule: (options: WasmOptions) => Promise<EngineModule>): void {
  new Server(port, loadModule);
}

class Server {
  readonly #port: Endpoint;
  readonly #loadModule: (options: WasmOptions) => Promise<EngineModule>;
  #breath: [MessagePort, MessagePort];
  #module: EngineModule | undefined;
  #loader: Loader | undefined;
  #engine: Engine | undefined;
  readonly #helpersStarted = new Deferred<string | undefined>();
  #jobs: Job[] = [];
  #running: Job | undefined;

  constructor(port: Endpoint, loadModule: (options: WasmOptions) => Promise<EngineModule>) {
    this.#port = port;
    this.#loadModule = loadModule;
    const { port1, port2 } = new MessageChannel();
    this.#breath = [port1, port2];
    port.addEventListener("message", (event: MessageEvent<ToWorker>) => void this.#receive(event.data));
  }

  async #receive(message: ToWorker): Promise<void> {
    switch (message.type) {
      case "open":
      case "load":
      case "chunk":
      case "finish":
        try {
          await this.#load(message);
        } catch (error) {
          this.#dropLoader();
          this.#report(error, (plain) => ({ type: "load-failed", error: plain }));
        }
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

  async #load(message: Extract<ToWorker, { type: "open" | "load" | "chunk" | "finish" }>): Promise<void> {
    switch (message.type) {
      case "open": {
        const { backend, wasmUrl, threads } = message;
        const onProgress = (loaded: number, total: number | undefined) => {
          this.#post({ type: "engine-progress", loaded, total });
        };
        const startHelpers: WasmOptions["startHelpers"] = (count, help) => {
          this.#post({ type: "start-helpers", count, help });
          return this.#helpersStarted.promise;
        };
        this.#module = await this.#loadModule({ backend, wasmUrl, threads, onProgress, startHelpers });
        this.#post({ type: "opened" });
        break;
      }
      case "load":
        this.#loader = this.#module?.createLoader(message.options);
        break;
      case "chunk": {
        // After a failure, chunks may still be on their way.
        if (!this.#loader) break;
        const { buffer, length } = message;
        this.#loader.push(new Uint8Array(buffer, 0, length));
        this.#post({ type: "taken", buffer, expectedSize: this.#loader.expectedSize() }, [buffer]);
        break;
      }
      case "finish": {
        const loader = this.#loader;
        if (!loader) break;
        this.#loader = undefined; // finish() consumes it, also when it fails
        this.#engine = loader.finish();
        this.#post({ type: "loaded", info: withThreads(withoutNulls(this.#engine.info()), this.#module?.threads) });
      }
    }
  }

  #dropLoader(): void {
    try {
      this.#loader?.free();
    } catch {
      // The page ends this worker anyway.
    }
    this.#loader = undefined;
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

function withoutNulls<T>(fields: Nullable<T>): T {
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
function toPlainError(error: unknown): PlainError | undefined {
  if (error instanceof BitNetError) return { code: error.code, message: error.message };
  if (error instanceof Error && "code" in error && typeof error.code === "string" && ENGINE_CODES.has(error.code)) {
    return { code: error.code as BitNetErrorCode, message: error.message };
  }
  return undefined;
}
