/**
 * A fake for the tests of programs that use this package: no WebAssembly, no download, no browser needed.
 *
 * ```ts
 * const model = await BitNet.load(new Blob(["GGUF"]), { worker: fakeWorker({ answerLength: 5 }) });
 * ```
 *
 * @module
 */
import type { FakeEngineOptions } from "../internal/fake-model.js";
import { serveFake } from "../internal/fake-worker.js";
import { readOptions } from "../internal/options/read.js";
import { FAKE } from "../internal/options/tables.js";
import { workerLike } from "../internal/worker-like.js";

export type { FakeCall, FakeEngineOptions } from "../internal/fake-model.js";

/**
 * Answers the package's own messages as its worker does, with words of a fixed list, the same ones for the same seed. A source's bytes are
 * read and counted, and must begin as a GGUF file does; an address is fetched as one file, and not kept.
 */
export function fakeWorker(given: FakeEngineOptions = {}): Worker {
  const options = readOptions(FAKE, given);
  const { port1, port2 } = new MessageChannel();
  const end = new AbortController();
  serveFake(port2, options, end.signal);
  port2.start();
  port1.start();
  const { worker, deliver } = workerLike(
    (message, transfer) => {
      port1.postMessage(message, transfer);
    },
    () => {
      end.abort();
      port1.close();
    },
  );
  port1.addEventListener("message", (event: MessageEvent<unknown>) => {
    deliver(event.data);
  });
  return worker;
}
