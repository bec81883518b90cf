/**
 * What a browser gives a worker, as far as the engine uses it and a thread of `node:worker_threads` lacks it. It runs before anything else
 * of the worker: the engine looks for all this where a browser has it.
 */
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import process from "node:process";
import { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { parentPort, type Transferable as ThreadTransferable } from "node:worker_threads";
import { DiskFile } from "./disk-file.js";
import { navigator } from "./environment.js";
import { DirectoryHandle, FileHandle, SyncAccessHandle } from "./file-system.js";
import { withDiskFiles } from "./thread-worker.js";

const events = new EventTarget();

parentPort?.on("message", (data: object) => {
  events.dispatchEvent(new MessageEvent("message", { data: withDiskFiles(data) }));
});
process.on("unhandledRejection", (reason: unknown) => {
  events.dispatchEvent(Object.assign(new Event("unhandledrejection"), { reason }));
});

/** Of files that are on the disk. */
class FileReaderSync {
  readAsArrayBuffer(blob: Blob): ArrayBuffer {
    if (!(blob instanceof DiskFile)) throw new Error("only a file of the disk can be read while its reader waits: give the path of the checkpoint's folder");
    return blob.readSync();
  }
}

const overNetwork = globalThis.fetch.bind(globalThis);

/** No runtime need fetch files; the modules of the engine are some. */
async function fetchAny(input: RequestInfo | URL, init?: RequestInit): Promise<Response> {
  const address = input instanceof Request ? input.url : String(input);
  if (!/^file:/i.test(address)) return overNetwork(input, init);
  const path = fileURLToPath(address);
  const size = await stat(path).then(
    (found) => found.size,
    () => undefined,
  );
  if (size === undefined) return new Response(null, { status: 404 });
  const headers = { "content-type": "application/wasm", "content-length": String(size) };
  return new Response(Readable.toWeb(createReadStream(path)) as ReadableStream, { headers });
}

const scope: Record<string, unknown> = {
  self: globalThis,
  navigator: navigator(),
  crossOriginIsolated: true,
  isSecureContext: true,
  fetch: fetchAny,
  // Bytes go to the disk as fast from the engine's own thread, so that it gets no keeper: that is a browser's need.
  Worker: undefined,
  FileReaderSync,
  FileSystemDirectoryHandle: DirectoryHandle,
  FileSystemFileHandle: FileHandle,
  FileSystemSyncAccessHandle: SyncAccessHandle,
  postMessage: (message: unknown, transfer: unknown[] = []) => parentPort?.postMessage(message, transfer as ThreadTransferable[]),
  addEventListener: events.addEventListener.bind(events),
  removeEventListener: events.removeEventListener.bind(events),
  close: () => process.exit(),
};
for (const [name, value] of Object.entries(scope)) Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
