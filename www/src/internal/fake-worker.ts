/** What answers the page's messages in a test: no WebAssembly, and words by chance. It keeps the real worker's promises about order, errors and repeatability. */
import { BitNetError, type BitNetErrorCode } from "../public/errors.js";
import type { ModelManifest } from "../public/types.js";
import type { Endpoint, FromBootstrap, Sent } from "./channel.js";
import { Deferred } from "./deferred.js";
import { FakeModel, type FakeEngineOptions } from "./fake-model.js";
import { FakeSession } from "./fake-session.js";
import { type Call, type FromWorker, type GenerateRequest, type LoaderOptions, OWN_SESSION, type Part, type PlainError, type Reply, type Source, type Token, type ToWorker } from "./protocol.js";
import { openSource } from "./source.js";
import { sparingly } from "./sparingly.js";

const SLICE_MS = 8;

/** Calls that wait for the generations before them. */
const IN_TURN: ReadonlySet<Call["name"]> = new Set(["cloneSession", "saveSession", "restoreSession", "resetSession", "closeSession", "roofline"]);

/** `end` tells when the worker has been terminated: a real one stops by itself. */
export function serveFake(port: Endpoint, fake: FakeEngineOptions, end: AbortSignal): void {
  new FakeWorker(port, fake, end);
}

class FakeWorker {
  #model: FakeModel | undefined;
  readonly #sessions = new Map<number, FakeSession>();
  #nextSession = OWN_SESSION;
  /** Settled when all that was asked for before has been done. */
  #turn: Promise<void> = Promise.resolve();
  readonly #waiting = new Set<number>();
  #cancelled: number | undefined;
  readonly #breath = new Breath();
  /** Of the page's own part. */
  #page = new Deferred<ReadableStream<Uint8Array>>();
  #pieces: ReadableStreamDefaultController<Uint8Array> | undefined;

  constructor(
    readonly port: Endpoint,
    readonly fake: FakeEngineOptions,
    readonly end: AbortSignal,
  ) {
    port.addEventListener("message", (event: MessageEvent<Sent>) => {
      this.#receive(event.data as ToWorker | { type: "open" });
    });
  }

  #receive(message: ToWorker | { type: "open" }): void {
    switch (message.type) {
      case "open":
        this.#post({ type: "opened" });
        break;
      case "load":
        void this.#load(message.body.source, message.body.options);
        break;
      case "estimate":
        void this.#estimate(message.body.source, message.body.options);
        break;
      case "part-opened":
        this.#page.resolve(message.body.stream ?? this.#inPieces());
        break;
      case "chunk":
        this.#pieces?.enqueue(message.body.bytes);
        break;
      case "part-end":
        this.#pieces?.close();
        break;
      case "generate": {
        const { id, session, request } = message.body;
        this.#waiting.add(id);
        this.#enqueue(id, () => (this.#waiting.delete(id) ? this.#generate(id, session, request) : undefined));
        break;
      }
      case "embed": {
        const { id, request } = message.body;
        this.#waiting.add(id);
        this.#enqueue(id, () => {
          if (this.#waiting.delete(id)) this.#post({ type: "embedded", body: { id, embeddings: this.#loaded().embed(request) } });
        });
        break;
      }
      case "cancel":
        this.#cancel(message.body.id);
        break;
      case "call": {
        const { id, call } = message.body;
        const answer = () => {
          this.#post({ type: "value", body: { id, reply: this.#reply(call) } });
        };
        if (IN_TURN.has(call.name)) this.#enqueue(id, answer);
        else void this.#attempt(id, answer);
      }
    }
  }

  #enqueue(id: number, run: () => Promise<void> | void): void {
    this.#turn = this.#turn.then(() => this.#attempt(id, run));
  }

  async #attempt(id: number, run: () => Promise<void> | void): Promise<void> {
    try {
      await run();
    } catch (error) {
      this.#post({ type: "failed", body: { id, error: plain(error) } });
    }
  }

  async #load(source: Source, options: LoaderOptions): Promise<void> {
    try {
      if (source.offline) throw new BitNetError("network", "a fake keeps nothing: offline there is nothing to load");
      if (source.cache === "required") throw new BitNetError("storage", "a fake keeps nothing");
      const report = sparingly((loaded, total) => {
        this.#post({ type: "progress", body: { phase: "download", loaded, cached: false, ...(total !== undefined && { total, fraction: loaded / total }) } });
      });
      const bytes = await this.#bytes(source, report, false);
      this.#model = new FakeModel(this.fake, options, bytes, this.end);
      this.#keep(new FakeSession(this.#model));
      for (const phase of ["load", "ready"] as const) this.#post({ type: "progress", body: { phase, loaded: bytes, total: bytes, fraction: 1, cached: false } });
      const own = source.parts.some(({ type }) => type !== "address");
      const notes = own || source.cache === "off" ? [] : ["not kept in the cache: a fake keeps nothing"];
      this.#post({ type: "loaded", body: { ...this.#model.info, ...(source.folder !== undefined && { name: source.folder }), ...(!own && { cached: false }), notes: [...this.#model.info.notes, ...notes] } });
    } catch (error) {
      this.#post({ type: "load-failed", body: plain(error) });
    }
  }

  /** Its files have four bytes of header, and weights to their end. */
  async #estimate(source: Source, options: LoaderOptions): Promise<void> {
    try {
      const fileBytes = await this.#bytes(source, () => undefined, true);
      const { architecture, parameters, quantization, contextLength, trainedContextLength, weightBytes, kvCacheBytes, kvCache } = new FakeModel(this.fake, options, fileBytes, this.end).info;
      const wasmBytes = weightBytes + kvCacheBytes;
      const fits = wasmBytes <= 2 ** 32;
      const why = fits ? {} : { why: "it is too large" };
      this.#post({ type: "estimated", body: { fileBytes, architecture, name: "fake", parameters, quantization, contextLength, trainedContextLength, weightBytes, kvCacheBytes, kvCache, wasmBytes, fits, ...why } });
    } catch (error) {
      this.#post({ type: "load-failed", body: plain(error) });
    }
  }

  /** The parts that the source stands for. */
  async #parts({ parts, kind, base }: Source): Promise<Part[]> {
    if (kind === "checkpoint") {
      // It is a fake's GGUF by then, with the bytes of its weights.
      const named = (pattern: RegExp) => parts.filter((part) => part.type === "blob" && pattern.test(part.body.name ?? ""));
      const weights = named(/\.safetensors$/);
      for (const [found, what] of [[named(/^config\.json$/), "config.json"], [weights, "*.safetensors"]] as const) {
        if (found.length === 0) throw new BitNetError("format", `${what}: the file is missing; give all files of the checkpoint`);
      }
      const blobs = weights.flatMap((part) => (part.type === "blob" ? [part.body.blob] : []));
      return [{ type: "blob", body: { blob: new Blob(["GGUF", ...blobs]) } }];
    }
    const [part] = parts;
    if (kind !== "alone" || part?.type !== "address") return parts;
    const url = new URL(part.body.url, base);
    const { manifest } = part.body;
    if (manifest === undefined && !url.pathname.endsWith(".json")) return parts;
    const text = manifest ?? (await new Response((await openSource(url, part.body.headers, this.end)).stream).text());
    const { files } = JSON.parse(text) as Partial<ModelManifest>;
    if (!files) throw new BitNetError("format", `${url.href} is no manifest of a split model`);
    return files.map(({ name }) => ({ type: "address", body: { ...part.body, url: new URL(encodeURIComponent(name), url).href } }));
  }

  /** Of all parts; with `header` of each only so much that its beginning is seen, and the rest as it is said to be. */
  async #bytes(source: Source, report: (loaded: number, total: number | undefined) => void, header: boolean): Promise<number> {
    let before = 0;
    const parts = await this.#parts(source);
    for (const [index, part] of parts.entries()) {
      const { stream, total } = await this.#open(source, index, part);
      const reader = stream.getReader();
      const start: number[] = [];
      let loaded = 0;
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        start.push(...value.subarray(0, 4 - start.length));
        if (start.length === 4 && String.fromCharCode(...start) !== "GGUF") {
          void reader.cancel();
          throw new BitNetError("format", "not a GGUF file");
        }
        loaded += value.length;
        if (part.type === "page") this.#post({ type: "taken" });
        report(before + loaded, parts.length === 1 ? total : undefined);
        if (header && start.length === 4) {
          void reader.cancel();
          break;
        }
      }
      if (start.length < 4) throw new BitNetError("format", `the file ends at byte ${String(loaded)}, inside magic`);
      before += header ? (total ?? loaded) : loaded;
    }
    return before;
  }

  async #open(source: Source, index: number, part: Part): Promise<{ stream: ReadableStream<Uint8Array>; total: number | undefined }> {
    if (part.type === "blob") return { stream: part.body.blob.stream(), total: part.body.blob.size };
    if (part.type === "address") return openSource(new URL(part.body.url, source.base), part.body.headers, this.end);
    this.#page = new Deferred();
    this.#post({ type: "open-part", body: { index } });
    return { stream: await this.#page.promise, total: part.body.total };
  }

  #inPieces(): ReadableStream<Uint8Array> {
    return new ReadableStream({
      start: (controller) => {
        this.#pieces = controller;
      },
      cancel: () => {
        this.#pieces = undefined;
      },
    });
  }

  async #generate(id: number, number: number, request: GenerateRequest): Promise<void> {
    const session = this.#session(number);
    session.start(request);
    const began = performance.now();
    let sliceBegan = began;
    let tokens: Token[] = [];
    let prefill: { done: number; total: number } | undefined;
    const flush = () => {
      if (prefill) this.#post({ type: "prefill", body: { id, ...prefill } });
      if (tokens.length > 0) this.#post({ type: "tokens", body: { id, tokens } });
      prefill = undefined;
      tokens = [];
    };
    for (;;) {
      const step = session.step(this.#cancelled === id);
      const now = performance.now();
      if (step.kind === "prefill") prefill = { done: step.done, total: step.total };
      else if (step.kind === "token") tokens.push({ ...step.token, elapsedMs: now - began });
      else {
        flush();
        this.#post({ type: "done", body: { id, ...step.end } });
        return;
      }
      if (now - sliceBegan >= SLICE_MS) {
        flush();
        await this.#breath.take();
        sliceBegan = performance.now();
      }
    }
  }

  #cancel(id: number): void {
    if (!this.#waiting.delete(id)) {
      this.#cancelled = id;
      return;
    }
    const usage = { promptTokens: 0, cachedTokens: 0, completionTokens: 0 };
    const timings = { prefillMs: 0, decodeMs: 0, timeToFirstTokenMs: 0, prefillTokensPerSecond: 0, decodeTokensPerSecond: 0, decodeThreads: 0 };
    this.#post({ type: "done", body: { id, finishReason: "cancelled", usage, timings } });
  }

  #reply(call: Call): Reply {
    const model = this.#loaded();
    switch (call.name) {
      case "tokenize":
        return { name: call.name, value: model.tokenize(call.args.text) };
      case "detokenize":
        return { name: call.name, value: model.detokenize(call.args.ids) };
      case "countTokens":
        return { name: call.name, value: FakeSession.prompt(model, call.args.request).length };
      case "memory": {
        const caches = [...this.#sessions.values()].map((session) => session.kvCacheBytes());
        const { weightBytes, kvCacheBytes } = model.info;
        return { name: call.name, value: { wasmBytes: weightBytes + kvCacheBytes, weightBytes, kvCacheBytes: caches.reduce((a, b) => a + b, 0), sessions: caches.length } };
      }
      case "roofline":
        return { name: call.name, value: { readBytesPerSecond: 1e9, readBytes: model.info.weightBytes, dotMacsPerSecond: 1e9, tableMacsPerSecond: 2e9, macsPerPromptToken: model.info.parameters } };
      case "verifyDefaults":
        return { name: call.name, value: { prompts: ["the dog", "the cat"], maxTokens: 500 } };
      case "report":
        return { name: call.name, value: model.report(call.args.answers, call.args.about) };
      case "openSession":
        return { name: call.name, value: this.#keep(new FakeSession(model)) };
      case "cloneSession":
        return { name: call.name, value: this.#keep(this.#session(call.args.session).clone()) };
      case "saveSession":
        return { name: call.name, value: this.#session(call.args.session).save() };
      case "restoreSession":
        this.#session(call.args.session).restore(call.args.bytes);
        return { name: call.name, value: null };
      case "resetSession":
        this.#session(call.args.session).reset();
        return { name: call.name, value: null };
      case "closeSession":
        this.#sessions.delete(call.args.session);
        return { name: call.name, value: null };
    }
  }

  #loaded(): FakeModel {
    if (!this.#model) throw new BitNetError("invalid-argument", "there is no model yet: load one first");
    return this.#model;
  }

  #session(number: number): FakeSession {
    const session = this.#sessions.get(number);
    if (!session) throw new BitNetError("disposed", "the session has been disposed of");
    return session;
  }

  #keep(session: FakeSession): number {
    const number = this.#nextSession++;
    this.#sessions.set(number, session);
    return number;
  }

  #post(message: FromWorker | FromBootstrap): void {
    this.port.postMessage(message, []);
  }
}

function plain(error: unknown): PlainError {
  if (error instanceof BitNetError) return { code: error.code, message: error.message };
  return { code: "worker-crashed" satisfies BitNetErrorCode, message: String(error) };
}

/** Goes back to the event loop. A timer may be one of the test's. */
class Breath {
  #ports: [MessagePort, MessagePort];

  constructor() {
    const { port1, port2 } = new MessageChannel();
    this.#ports = [port1, port2];
  }

  take(): Promise<void> {
    // To and fro: Node.js would read one port again and again before it looks at any other.
    const [from, to] = this.#ports;
    this.#ports = [to, from];
    return new Promise((resolve) => {
      to.onmessage = () => {
        resolve();
      };
      from.postMessage(undefined);
    });
  }
}
