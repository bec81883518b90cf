/**
 * A fake for the tests of programs that use this package: no WebAssembly, no download, no browser needed.
 *
 * ```ts
 * const model = await BitNet.load(new Blob(["GGUF"]), { worker: fakeWorker({ answerLength: 5 }) });
 * ```
 *
 * @module
 */
import { serveEstimator } from "../internal/estimator.js";
import { fakeEngineModule } from "../internal/fake-engine.js";
import type { FakeEngineOptions } from "../internal/fake-model.js";
import { TUNING } from "../internal/download/request.js";
import { readOptions } from "../internal/options/read.js";
import { FAKE } from "../internal/options/tables.js";
import { serveEngine } from "../internal/server.js";

export type { FakeEngineOptions } from "../internal/fake-model.js";

/** Runs the package's own worker code, over an engine that says words of a fixed list, the same ones for the same seed. */
export function fakeWorker(given: FakeEngineOptions = {}): Worker {
  const options = readOptions(FAKE, given);
  const { port1, port2 } = new MessageChannel();
  let ended = false;
  const end = new AbortController();
  const openStore = () => Promise.reject(new Error("a fake keeps nothing"));
  const loadModule = () => Promise.resolve(fakeEngineModule(options, () => ended));
  serveEstimator(port2, loadModule);
  serveEngine(port2, loadModule, { openStore, tuning: TUNING, signal: end.signal });
  port2.start();
  port1.start();
  const worker = new EventTarget();
  port1.addEventListener("message", (event: MessageEvent<unknown>) => {
    worker.dispatchEvent(new MessageEvent("message", { data: event.data }));
  });
  return Object.assign(worker, {
    onmessage: null,
    onmessageerror: null,
    onerror: null,
    postMessage: (message: unknown, transfer?: Transferable[] | StructuredSerializeOptions) => {
      port1.postMessage(message, Array.isArray(transfer) ? transfer : (transfer?.transfer ?? []));
    },
    terminate: () => {
      ended = true;
      end.abort();
      port1.close();
    },
  });
}
