/** The worker's side of an estimate: headers from the page into the engine's module. */
import { Deferred } from "./deferred.js";
import type { EngineModule, Estimator } from "./engine.js";
import type { WasmOptions } from "./load-wasm.js";
import type { Endpoint, FromWorker, ToWorker } from "./protocol.js";
import { toPlainError, withoutNulls } from "./server.js";

export function serveEstimator(port: Endpoint, loadModule: (options: WasmOptions) => Promise<EngineModule>): void {
  const post = (message: FromWorker) => {
    port.postMessage(message, []);
  };
  const estimator = new Deferred<Estimator>();
  /** Makes it: the size of the first file is an option. */
  let first: (fileSize: number | undefined) => void = () => undefined;
  const serve = async (message: ToWorker) => {
    switch (message.type) {
      case "estimate": {
        const { backend, wasmUrl, options } = message;
        const startHelpers = () => Promise.resolve(undefined);
        const module = await loadModule({ backend, wasmUrl, threads: 1, onProgress: () => undefined, startHelpers });
        first = (fileSize) => {
          estimator.resolve(module.createEstimator({ ...options, ...(fileSize !== undefined && { fileSize }) }));
        };
        post({ type: "estimator-ready" });
        break;
      }
      case "header-part":
        if (message.index === 0) first(message.fileSize);
        else (await estimator.promise).nextPart(message.fileSize);
        post({ type: "estimator-ready" });
        break;
      case "header": {
        const reader = await estimator.promise;
        const complete = reader.push(message.bytes);
        post({ type: "header-taken", complete, last: complete && reader.isLastPart() });
        break;
      }
      case "estimate-end":
        post({ type: "estimated", estimate: withoutNulls((await estimator.promise).finish()) });
    }
  };
  port.addEventListener("message", (event: MessageEvent<ToWorker>) => {
    serve(event.data).catch((error: unknown) => {
      const plain = toPlainError(error);
      post(plain ? { type: "load-failed", error: plain } : { type: "crashed", message: String(error) });
    });
  });
}
