/** From a source to the memory that its model would take: headers go to a worker with the engine's module, which then ends. */
import { BitNetError } from "../public/errors.js";
import type { Estimate, EstimateOptions, ModelSource } from "../public/types.js";
import { Connection } from "./connection.js";
import { Deferred } from "./deferred.js";
import type { EngineEstimate } from "./engine.js";
import { headerBytes } from "./header.js";
import { loaderOptions, needWorkers, startWorker } from "./load.js";
import { readOptions } from "./options/read.js";
import { LOAD } from "./options/tables.js";
import type { FromWorker, ToWorker } from "./protocol.js";
import { sourceParts } from "./source.js";

/** What the worker answers to what. */
interface Replies {
  estimate: "estimator-ready";
  "header-part": "estimator-ready";
  header: "header-taken";
  "estimate-end": "estimated";
}
type Reply<Name extends keyof Replies> = Extract<FromWorker, { type: Replies[Name] }>;

/** Sent to the worker at most at a time: what comes at once may be the whole file. */
const PIECE_BYTES = 1 << 20;

export async function estimateModel(source: ModelSource, given: EstimateOptions): Promise<Estimate> {
  const options = readOptions(LOAD, given);
  const { signal, backend = "auto", wasmUrl } = options;
  signal?.throwIfAborted();
  needWorkers(options);
  const parts = sourceParts(source, options);
  const connection = new Connection(typeof options.worker === "object" ? options.worker : startWorker(options));
  const fetching = new AbortController();
  connection.closed.catch((reason: unknown) => {
    fetching.abort(reason);
  });
  const abort = () => {
    connection.close(signal?.reason);
  };
  signal?.addEventListener("abort", abort, { once: true });

  let reply = new Deferred<FromWorker>();
  connection.onLoadMessage = (message) => {
    if (message.type === "load-failed") connection.close(new BitNetError(message.error.code, message.error.message));
    else reply.resolve(message);
  };
  const ask = async <Name extends keyof Replies>(message: Extract<ToWorker, { type: Name }>, transfer: Transferable[] = []) => {
    reply = new Deferred();
    connection.send(message, transfer);
    return (await Promise.race([reply.promise, connection.closed])) as Reply<Name>;
  };

  try {
    const ready = ask({ type: "estimate", backend, wasmUrl: wasmUrl && String(wasmUrl), options: loaderOptions(options) });
    // Where the header can't be had, nobody waits for the module.
    ready.catch(() => undefined);
    const sizes: (number | undefined)[] = [];
    let isLast = false;
    for (const [index, part] of parts.entries()) {
      if (isLast) break;
      let size: number | undefined;
      let begun = false;
      const bytes = headerBytes(part, fetching.signal, (known) => {
        size = known;
      });
      // A file without a byte is told from one with a header by the engine.
      const begin = () => ask({ type: "header-part", index, fileSize: size });
      read: for await (const chunk of bytes) {
        await ready;
        if (!begun) await begin();
        begun = true;
        for (let offset = 0; offset < chunk.length; offset += PIECE_BYTES) {
          const piece = chunk.slice(offset, offset + PIECE_BYTES);
          const { complete, last } = await ask({ type: "header", bytes: piece }, [piece.buffer]);
          isLast = last;
          if (complete) break read;
        }
      }
      await ready;
      if (!begun) await begin();
      sizes.push(size);
    }
    const { estimate } = await ask({ type: "estimate-end" });
    return judged(estimate, sizes);
  } catch (error) {
    // What ended the worker is the reason of what failed after it.
    connection.throwIfClosed();
    throw error;
  } finally {
    signal?.removeEventListener("abort", abort);
    connection.close(new BitNetError("disposed", "the estimate is done"));
  }
}

function judged({ why, ...estimate }: EngineEstimate, sizes: readonly (number | undefined)[]): Estimate {
  let fileBytes: number | undefined = 0;
  for (const size of sizes) fileBytes = fileBytes === undefined || size === undefined ? undefined : fileBytes + size;
  const reason = why ?? (estimate.fits ? warning(estimate.wasmBytes) : undefined);
  return { ...estimate, fileBytes: fileBytes ?? estimate.fileBytes, ...(reason !== undefined && { why: reason }) };
}

/** Browsers with Chromium's engine tell how much memory a device has, in coarse steps up to 8 (or 32) GiB; a tab gets a part of it. */
function warning(wasmBytes: number): string | undefined {
  const gigabytes = (globalThis as { navigator?: { deviceMemory?: number } }).navigator?.deviceMemory;
  if (gigabytes === undefined || wasmBytes <= (gigabytes * 2 ** 30) / 2) return undefined;
  const needed = (wasmBytes / 2 ** 30).toFixed(1);
  return `the model needs ${needed} GiB, more than half of this device's memory (about ${String(gigabytes)} GiB): close other tabs, or take a shorter context`;
}
