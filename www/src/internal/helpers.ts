/**
 * The page's side of an engine's further threads: each is a worker that gets the engine's module and memory.
 *
 * The page starts them, not the engine's worker, because the page can hear of a helper's crash while the engine waits for
 * that helper inside WebAssembly. Nothing is ever terminated alone: see `shared_memory.rs` of the crate.
 */
import { Deferred } from "./deferred.js";
import type { FromHelper, Help, ToBootstrap } from "./channel.js";

const PATIENCE_MS = 5000;

export interface HelperHost {
  createWorker(): Worker;
  /** Sees to it that the worker ends with the engine. */
  adopt(worker: Worker): void;
  /** A helper has stopped at work, so the memory can't be trusted any more. */
  crash(what: string): void;
}

/** Resolves when all that come have joined; with the reason where some have not. */
export async function startHelpers(count: number, help: Help, host: HelperHost): Promise<string | undefined> {
  const outcomes = await Promise.all(Array.from({ length: count }, () => startHelper(help, host)));
  const failures = outcomes.filter((reason) => reason !== undefined);
  if (failures.length === 0) return undefined;
  const some = failures.length === count ? "the workers" : `${String(failures.length)} of ${String(count)} workers`;
  return `${some} for further threads did not start (${failures[0] ?? ""})`;
}

async function startHelper(help: Help, host: HelperHost): Promise<string | undefined> {
  /** Undefined when it has joined. */
  const outcome = new Deferred<string | undefined>();
  let joined = false;
  const timer = setTimeout(() => {
    outcome.resolve(`not there within ${String(PATIENCE_MS / 1000)} s`);
  }, PATIENCE_MS);
  try {
    const worker = host.createWorker();
    host.adopt(worker);
    worker.addEventListener("message", ({ data }: MessageEvent<FromHelper>) => {
      switch (data.type) {
        case "joined":
          joined = true;
          outcome.resolve(undefined);
          break;
        case "failed":
          outcome.resolve(data.message);
          break;
        case "crashed":
          host.crash(data.message);
      }
    });
    worker.addEventListener("error", (event) => {
      event.preventDefault();
      if (joined) host.crash(event.message);
      else outcome.resolve(event.message || "the script could not be loaded; see the console");
    });
    const message: ToBootstrap = { type: "help", help };
    worker.postMessage(message);
  } catch (error) {
    outcome.resolve(String(error));
  }
  try {
    return await outcome.promise;
  } finally {
    clearTimeout(timer);
  }
}
