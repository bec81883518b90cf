/**
 * From a source to a loaded model.
 *
 * What has an address the worker downloads itself. Other bytes go to the worker in a few buffers that are transferred there and back. A buffer that has not come back is the
 * backpressure: the page stops reading, so at most `BUFFERS` × `BUFFER_BYTES` of the file are in flight, however fast the
 * network and however slow the worker.
 */
import { BitNetError } from "../public/errors.js";
import type { LoadOptions, LoadProgress, ModelInfo, ModelSource } from "../public/types.js";
import { Connection } from "./connection.js";
import { Deferred } from "./deferred.js";
import { partSizes } from "./download/sizes.js";
import type { LoaderOptions } from "./engine.js";
import { startHelpers } from "./helpers.js";
import { allGone, endedLately } from "./life.js";
import { isWorker } from "./options/kinds.js";
import { readOptions } from "./options/read.js";
import { refused, show } from "./options/refuse.js";
import { LOAD } from "./options/tables.js";
import { ProgressMeter } from "./progress.js";
import type { FromWorker } from "./protocol.js";
import { type AddressPart, type OpenSource, sourceParts, type StreamPart } from "./source.js";

const BUFFER_BYTES = 1 << 20;
const BUFFERS = 4;
/** How often a load begins anew because the file changed on the server meanwhile. */
const RESTARTS = 2;

export interface Loaded {
  connection: Connection;
  info: ModelInfo;
}

export async function loadModel(source: ModelSource, given: LoadOptions): Promise<Loaded> {
  const options = readOptions(LOAD, given);
  const { signal } = options;
  signal?.throwIfAborted();
  needWorkers(options);
  const parts = sourceParts(source, options);
  // Memory of a worker that has been ended comes back late in some browsers: what failed for want of it may do on the second try.
  const again = endedLately() && typeof options.worker !== "object" && parts.every(isReadableAgain);
  try {
    return await attempt(source, parts, options);
  } catch (error) {
    if (!again || !(error instanceof BitNetError) || error.code !== "out-of-memory") throw error;
    await allGone(signal);
    signal?.throwIfAborted();
    return attempt(source, parts, options);
  }
}

/** An address or a file; a stream has been read by then. */
function isReadableAgain(part: StreamPart | AddressPart): boolean {
  return part.kind === "address" || part.size !== undefined;
}

async function attempt(source: ModelSource, parts: (StreamPart | AddressPart)[], options: LoadOptions): Promise<Loaded> {
  const { signal } = options;
  const connection = new Connection(typeof options.worker === "object" ? options.worker : startWorker(options));
  const abort = () => {
    connection.close(signal?.reason);
  };
  signal?.addEventListener("abort", abort, { once: true });
  const own = source instanceof Request ? source.signal : undefined;
  const abortOwn = () => {
    connection.close(own?.reason);
  };
  own?.addEventListener("abort", abortOwn, { once: true });
  if (own?.aborted) abortOwn();
  try {
    return { connection, info: await new Load(connection, options).run(parts) };
  } catch (error) {
    connection.close(error);
    throw error;
  } finally {
    signal?.removeEventListener("abort", abort);
    own?.removeEventListener("abort", abortOwn);
  }
}

/** First of all: outside a browser, an address has no page to be relative to. */
export function needWorkers({ worker }: Pick<LoadOptions, "worker">): void {
  if (worker !== undefined || typeof Worker !== "undefined") return;
  throw new BitNetError("unsupported-browser", "there are no web workers here; load the model in a browser's page");
}

/** The engine's worker, or one for a further thread. */
export function startWorker({ worker, workerUrl }: LoadOptions): Worker {
  try {
    if (typeof worker === "function") {
      const made: unknown = worker();
      if (!isWorker(made)) throw refused("what the function worker gives", made, "a Worker");
      return made;
    }
    if (workerUrl !== undefined) return new Worker(workerUrl, { type: "module" });
    // Written exactly so: bundlers look for this form.
    return new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
  } catch (cause) {
    if (cause instanceof BitNetError) throw cause;
    const why = cause instanceof Error ? cause.message : show(cause);
    throw new BitNetError("invalid-argument", `no worker could be made (${why}): its script must be of the page's own origin; see workerUrl and worker`, { cause });
  }
}

export function loaderOptions({ contextLength, kvCache, overrides, hash, tokenEmbedding }: LoadOptions): LoaderOptions {
  return {
    ...(contextLength !== undefined && { contextLength }),
    ...(kvCache !== undefined && { kvCache }),
    ...(overrides !== undefined && { overrides }),
    ...(hash !== undefined && { hash }),
    ...(tokenEmbedding !== undefined && { tokenEmbedding }),
  };
}

class Load {
  readonly #connection: Connection;
  readonly #options: LoadOptions;
  readonly #progress: ProgressMeter;
  readonly #opened = new Deferred<void>();
  readonly #loaded = new Deferred<ModelInfo>();
  readonly #fetching = new AbortController();
  readonly #free: ArrayBuffer[] = [];
  #buffers = 0;
  #bufferCameBack = new Deferred<void>();
  /** How the download of a part went: its bytes, or that it must begin anew. */
  #downloaded = new Deferred<{ bytes: number; last: boolean } | { changed: string }>();
  #expectedSize: number | undefined;
  /** Bytes of the parts before this one. */
  #before = 0;
  #part: { index: number; count: number } | undefined;
  /** Of each part, as far as it is known. */
  #sizes: (number | undefined)[] = [];

  constructor(connection: Connection, options: LoadOptions) {
    this.#connection = connection;
    this.#options = options;
    this.#progress = new ProgressMeter(options.onProgress);
    connection.onLoadMessage = (message) => {
      this.#receive(message);
    };
  }

  async run(parts: (StreamPart | AddressPart)[]): Promise<ModelInfo> {
    const { backend = "auto", threads = "auto", wasmUrl } = this.#options;
    this.#connection.send({ type: "open", backend, wasmUrl: wasmUrl && String(wasmUrl), threads });
    this.#connection.closed.catch((reason: unknown) => {
      this.#fetching.abort(reason);
    });
    this.#sizes = parts.map((part) => (part.kind === "stream" ? part.size : undefined));
    if (parts.length > 1) void partSizes(parts, this.#sizes, this.#fetching.signal);
    for (let restarts = 0; ; restarts++) {
      const changed = await this.#loadParts(parts);
      if (changed === undefined) break;
      if (restarts === RESTARTS) {
        throw new BitNetError("network", `${changed} is another file each time it is asked for: its ETag or size changes; ask whoever runs the server, or use another one`);
      }
    }
    const bytes = this.#before;
    this.#progress.update("load", bytes, bytes);
    this.#connection.send({ type: "finish" });
    const info = await this.#orClosed(this.#loaded.promise);
    this.#progress.update("ready", bytes, bytes, { cached: info.cached ?? false });
    return info;
  }

  /** The address of a file that changed on the way, after which all begins anew. */
  async #loadParts(parts: (StreamPart | AddressPart)[]): Promise<string | undefined> {
    this.#connection.send({ type: "load", options: loaderOptions(this.#options) });
    this.#before = 0;
    for (const [index, part] of parts.entries()) {
      const alone = parts.length === 1;
      this.#part = alone ? undefined : { index, count: parts.length };
      if (part.kind === "stream") {
        this.#before += await this.#stream(part, alone);
        continue;
      }
      this.#downloaded = new Deferred();
      this.#connection.send({ type: "download", request: part.request, alone });
      const outcome = await this.#orClosed(this.#downloaded.promise);
      if ("changed" in outcome) return outcome.changed;
      this.#sizes[index] = outcome.bytes;
      this.#before += outcome.bytes;
      if (outcome.last) break;
    }
    return undefined;
  }

  async #stream(part: StreamPart, alone: boolean): Promise<number> {
    const opening = part.open(this.#fetching.signal);
    let opened: OpenSource;
    try {
      [opened] = await this.#orClosed(Promise.all([opening, this.#opened.promise]));
    } catch (error) {
      opening.then(({ stream }) => stream.cancel(error)).catch(() => undefined);
      throw error;
    }
    this.#expectedSize = undefined;
    this.#connection.send({ type: "part", sha256: part.sha256, fileSize: alone ? opened.fileSize : undefined });
    return this.#pump(opened);
  }

  /** Bytes of all parts, as far as this one's total and what is known of the others tell. */
  #update(phase: LoadProgress["phase"], loaded: number, total: number | undefined, cached: boolean): void {
    const { index = 0 } = this.#part ?? {};
    const all = this.#sizes.map((size, part) => (part === index ? (total ?? size) : size)).reduce<number | undefined>(
      (sum, size) => (sum === undefined || size === undefined ? undefined : sum + size),
      0,
    );
    this.#progress.update(phase, this.#before + loaded, all, { cached, ...(this.#part && { part: this.#part }) });
  }

  /** Cuts the stream into full buffers and hands them over. The number of bytes that came. */
  async #pump({ stream, total }: OpenSource): Promise<number> {
    const reader = stream.getReader();
    this.#connection.closed.catch((reason: unknown) => {
      reader.cancel(reason).catch(() => undefined);
      this.#bufferCameBack.reject(reason);
    });
    let loaded = 0;
    let used = 0;
    try {
      let buffer = await this.#takeBuffer();
      for (;;) {
        const { done, value } = await reader.read().catch(brokenOff);
        this.#connection.throwIfClosed();
        if (done) break;
        if (!(value instanceof Uint8Array)) throw new BitNetError("invalid-argument", "the stream must give Uint8Array chunks");
        for (let offset = 0; offset < value.byteLength; ) {
          const piece = value.subarray(offset, offset + BUFFER_BYTES - used);
          new Uint8Array(buffer).set(piece, used);
          used += piece.byteLength;
          offset += piece.byteLength;
          if (used === BUFFER_BYTES) {
            this.#connection.send({ type: "chunk", buffer, length: used }, [buffer]);
            buffer = await this.#takeBuffer();
            used = 0;
          }
        }
        loaded += value.byteLength;
        this.#update("download", loaded, (this.#part ? undefined : this.#expectedSize) ?? total, false);
      }
      if (used > 0) this.#connection.send({ type: "chunk", buffer, length: used }, [buffer]);
    } catch (error) {
      reader.cancel(error).catch(() => undefined);
      throw error;
    }
    if (total !== undefined && loaded < total) {
      throw new BitNetError("network", `the download broke off after ${String(loaded)} of ${String(total)} bytes; load again`);
    }
    return loaded;
  }

  async #takeBuffer(): Promise<ArrayBuffer> {
    for (;;) {
      const buffer = this.#free.pop();
      if (buffer) return buffer;
      if (this.#buffers < BUFFERS) {
        this.#buffers++;
        return new ArrayBuffer(BUFFER_BYTES);
      }
      await this.#bufferCameBack.promise;
    }
  }

  #receive(message: FromWorker): void {
    switch (message.type) {
      case "engine-progress":
        this.#progress.update("engine", message.loaded, message.total);
        break;
      case "start-helpers":
        void this.#startHelpers(message);
        break;
      case "opened":
        this.#opened.resolve();
        break;
      case "taken":
        this.#expectedSize = message.expectedSize;
        this.#free.push(message.buffer);
        this.#bufferCameBack.resolve();
        this.#bufferCameBack = new Deferred();
        break;
      case "download-progress": {
        const { loaded, total, cached } = message.progress;
        this.#update(cached ? "verify" : "download", loaded, total, cached);
        break;
      }
      case "downloaded":
        this.#downloaded.resolve(message);
        break;
      case "file-changed":
        this.#downloaded.resolve({ changed: message.url });
        break;
      case "loaded":
        this.#loaded.resolve(message.info);
        break;
      case "load-failed":
        this.#connection.close(new BitNetError(message.error.code, message.error.message));
    }
  }

  async #startHelpers({ count, help }: Extract<FromWorker, { type: "start-helpers" }>): Promise<void> {
    const why = await startHelpers(count, help, {
      createWorker: () => startWorker(this.#options),
      adopt: (worker) => {
        this.#connection.adopt(worker);
      },
      crash: (what) => {
        this.#connection.crash(what);
      },
    });
    this.#connection.send({ type: "helpers-started", why });
  }

  /** The value, unless the worker goes first. */
  #orClosed<T>(promise: Promise<T>): Promise<T> {
    return Promise.race([promise, this.#connection.closed]);
  }
}

function brokenOff(cause: unknown): never {
  if (cause instanceof DOMException && cause.name === "AbortError") throw cause;
  throw new BitNetError("network", "the download broke off; check the connection and load again", { cause });
}
