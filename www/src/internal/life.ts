/**
 * How the page hears of the end of a worker: a browser that ends one, for want of memory or by its own hand, tells nobody. But it
 * gives back the worker's locks, so each worker holds one for life, and the page waits for it.
 */
import type { Endpoint, FromWorker, ToWorker } from "./protocol.js";

/**
 * The worker's side, called once; the page's word comes before any other. Resolves when the lock is held or is not to be had: a
 * worker that goes into WebAssembly for good waits for that, since a lock that comes later would not reach it.
 */
export function holdLife(port: Endpoint): Promise<void> {
  return new Promise((settled) => {
    port.addEventListener("message", (event: MessageEvent<ToWorker>) => {
      if (event.data.type !== "live") return;
      if (event.data.lock === undefined) {
        settled();
        return;
      }
      const held = () => {
        const alive: FromWorker = { type: "alive" };
        port.postMessage(alive, []);
        settled();
        return new Promise<never>(() => undefined);
      };
      navigator.locks.request(event.data.lock, held).catch(() => {
        settled(); // then as where there are no locks
      });
    });
  });
}

/**
 * Calls `gone` when the worker is no more, unless what it gives back has been called before. Without locks, on a page that is
 * not secure or in an old browser, nobody is told, and only what the worker itself reports counts.
 */
export function watchLife(worker: Worker, gone: () => void): () => void {
  const stop = new AbortController();
  const lock = typeof navigator !== "undefined" && "locks" in navigator ? `b158 worker ${crypto.randomUUID()}` : undefined;
  const live: ToWorker = { type: "live", lock };
  worker.postMessage(live);
  if (lock === undefined) return () => undefined;
  worker.addEventListener("message", ({ data }: MessageEvent<FromWorker>) => {
    if (data.type !== "alive") return;
    navigator.locks.request(lock, { signal: stop.signal }, gone).catch(() => undefined);
  });
  return () => {
    stop.abort();
  };
}
