/** In the place of `src/internal/worker-script.ts`: scripts are on the disk, and no runtime asks where they are from. */
import { ThreadWorker } from "./thread-worker.js";

export const ADVICE = "check workerUrl if it is set, and what Deno allows (--allow-read)";

export function isForeign(): boolean {
  return false;
}

/** Not in a worker, where it would be an engine's keeper of files: bytes go to the disk as fast from the engine's own thread. */
export function moduleWorker(script: string | URL): Worker {
  if ("FileReaderSync" in globalThis) throw new Error("files are kept in the engine's own thread");
  return new ThreadWorker(script) as unknown as Worker;
}

export function importedScript(): undefined {
  return undefined;
}
