/** From a source to a loaded model: a worker is opened, is told where the model is, and says how far it is. */
import { BitNetError } from "../public/errors.js";
import type { LoadOptions, ModelInfo, ModelSource } from "../public/types.js";
import type { Frozen, FromBootstrap, Heard } from "./channel.js";
import { Connection } from "./connection.js";
import { deviceRoom } from "./device-memory.js";
import { Deferred } from "./deferred.js";
import { startHelpers } from "./helpers.js";
import { allGone, endedLately } from "./life.js";
import { isWorker } from "./options/kinds.js";
import { readOptions } from "./options/read.js";
import { refused, show } from "./options/refuse.js";
import { LOAD } from "./options/tables.js";
import { PageParts } from "./page-parts.js";
import type { FromWorker, LoaderOptions, Source } from "./protocol.js";
import { readSource, type ReadSource } from "./source.js";
import { ADVICE, isForeign, moduleWorker } from "./worker-script.js";

export interface Loaded {
  readonly connection: Connection;
  /** Another one, where another tab takes over a shared engine. */
  readonly info: ModelInfo;
}

export async function loadModel(given: ModelSource, options: LoadOptions): Promise<Loaded> {
  const read = readOptions(LOAD, options);
  const { signal } = read;
  signal?.throwIfAborted();
  needWorkers(read);
  const source = await readSource(given, read);
  signal?.throwIfAborted();
  if (!read.shared) return loadAlone(source, read);
  const { loadShared } = await import("./shared/load.js");
  signal?.throwIfAborted();
  return loadShared(source, read, loadAlone);
}

/** With an engine of its own. */
async function loadAlone(source: ReadSource, options: LoadOptions): Promise<Loaded> {
  const { signal } = options;
  // Memory of a worker that has been ended comes back late in some browsers: what failed for want of it may do on the second try.
  const again = endedLately() && typeof options.worker !== "object" && source.readableAgain;
  try {
    return await attempt(source, options);
  } catch (error) {
    if (!again || !(error instanceof BitNetError) || error.code !== "out-of-memory") throw error;
    await allGone(signal);
    signal?.throwIfAborted();
    return attempt(source, options);
  }
}

async function attempt(source: ReadSource, options: LoadOptions): Promise<Loaded> {
  const { onProgress } = options;
  return withWorker(source, options, options.threads ?? "auto", async (connection) => {
    const loaded = new Deferred<ModelInfo>();
    const sent = listen(connection, source, options, (message) => {
      if (message.type === "progress") onProgress?.(message.body);
      else if (message.type === "loaded") loaded.resolve(message.body);
    });
    connection.send({ type: "load", body: { source: await sent(), options: loaderOptions(options) } });
    return { connection, info: await loaded.promise };
  });
}

/**
 * Opens a worker for `use`, and ends it where that fails or is aborted: then `use` need not end by itself.
 */
export async function withWorker<T>(
  source: ReadSource,
  options: LoadOptions,
  threads: "auto" | number,
  use: (connection: Connection) => Promise<T>,
): Promise<T> {
  const { backend = "auto", wasmUrl, grammarUrl } = options;
  const connection = new Connection(typeof options.worker === "object" ? options.worker : startWorker(options));
  const forget: (() => void)[] = [];
  for (const signal of [options.signal, ...source.signals]) {
    if (!signal) continue;
    const abort = () => {
      connection.close(signal.reason);
    };
    signal.addEventListener("abort", abort, { once: true });
    forget.push(() => {
      signal.removeEventListener("abort", abort);
    });
    if (signal.aborted) abort();
  }
  try {
    const using = use(connection);
    connection.send({ type: "open", backend, wasmUrl: wasmUrl && String(wasmUrl), grammarUrl: grammarUrl && String(grammarUrl), threads });
    return await connection.orClosed(using);
  } catch (error) {
    connection.close(error);
    throw error;
  } finally {
    for (const stop of forget) stop();
  }
}

/**
 * Deals with what is said until a worker has what it needs; the rest goes to `hear`. What comes back waits until the worker can be told of
 * the source, and gives it.
 */
export function listen(connection: Connection, source: ReadSource, options: LoadOptions, hear: (message: FromWorker) => void): () => Promise<Frozen<Source>> {
  const opened = new Deferred<void>();
  const parts = new PageParts(connection, source.opened);
  connection.onLoadMessage = (message: Heard) => {
    switch (message.type) {
      case "opened":
        opened.resolve();
        break;
      case "start-helpers":
        void help(connection, options, message);
        break;
      case "open-part":
        void parts.open(message.body.index);
        break;
      case "taken":
        parts.taken();
        break;
      case "alive":
        break;
      default:
        hear(message);
    }
  };
  return async () => {
    const [sizes] = await Promise.all([parts.sizes(), opened.promise]);
    const withSizes = source.sent.parts.map((part) => (part.type === "page" ? { ...part, body: { ...part.body, ...sizes } } : part));
    return { ...source.sent, parts: withSizes };
  };
}

async function help(connection: Connection, options: LoadOptions, { count, help }: Extract<FromBootstrap, { type: "start-helpers" }>): Promise<void> {
  const why = await startHelpers(count, help, {
    createWorker: () => startWorker(options),
    adopt: (worker) => {
      connection.adopt(worker);
    },
    crash: (what) => {
      connection.crash(what);
    },
  });
  connection.send({ type: "helpers-started", why });
}

/** First of all: outside a browser, an address has no page to be relative to. */
export function needWorkers({ worker }: Pick<LoadOptions, "worker">): void {
  if (worker !== undefined || typeof Worker !== "undefined") return;
  throw new BitNetError("unsupported-browser", "there are no web workers here; load the model in a browser's page, or in Node.js, Deno or Bun with the package's own build for them");
}

/** The engine's worker, or one for a further thread. */
export function startWorker({ worker, workerUrl }: LoadOptions): Worker {
  try {
    if (typeof worker === "function") {
      const made: unknown = worker();
      if (!isWorker(made)) throw refused("what the function worker gives", made, "a Worker");
      return made;
    }
    if (workerUrl !== undefined) return moduleWorker(workerUrl);
    // The package as it is, on a CDN. A bundler would take an address written as one for a file of its own.
    if (isForeign(import.meta.url)) return moduleWorker(beside("worker.js", import.meta.url));
    // Written exactly so: bundlers look for this form.
    return new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
  } catch (cause) {
    if (cause instanceof BitNetError) throw cause;
    const why = cause instanceof Error ? cause.message : show(cause);
    throw new BitNetError("invalid-argument", `no worker could be made (${why}): ${ADVICE}`, { cause });
  }
}

function beside(name: string, address: string): string {
  return new URL(name, address).href;
}

export function loaderOptions({ contextLength, kvCache, overrides, hash, tokenEmbedding, prepareFormats }: LoadOptions): Frozen<LoaderOptions> {
  const deviceMemory = deviceRoom();
  return {
    ...(deviceMemory !== undefined && { deviceMemory }),
    ...(contextLength !== undefined && { contextLength }),
    ...(kvCache !== undefined && kvCache !== "auto" && { kvCache }),
    ...(overrides !== undefined && { overrides }),
    ...(hash !== undefined && { hash }),
    ...(tokenEmbedding !== undefined && { tokenEmbedding }),
    ...(prepareFormats !== undefined && { prepareFormats }),
  };
}
