/**
 * How the page hears of the end of a worker: a browser that ends one, for want of memory or by its own hand, tells nobody. But it
 * gives back the worker's locks, so each worker holds one for life, and the page waits for it.
 */
import type { Endpoint, FromWorker, ToWorker } from "./protocol.js";

/** The worker's side, called once. The page's word comes first, while the worker has nothing to do. */
export function holdLife(port: Endpoint): void {
  port.addEventListener("message", (event: MessageEvent<ToWorker>) => {
    if (event.data.type !== "live") return;
    const held = () => {
      const alive: FromWorker = { type: "alive" };
      port.postMessage(alive, []);
      return new Promise<never>(() => undefined);
    };
    navigator.locks.request(event.data.lock, held).catch(() => undefined); // then as where there are no locks
  });
}

/**
 * Calls `gone` when the worker is no more, unless what it gives back has been called before. Without locks, on a page that is
 * not secure or in an old browser, nobody is told, and only what the worker itself reports counts.
 */
export function watchLife(worker: Worker, gone: () => void): () => void {
  const stop = new AbortController();
  if (typeof navigator === "undefined" || !("locks" in navigator)) return () => undefined;
  const lock = `b158 worker ${crypto.randomUUID()}`;
  worker.addEventListener("message", ({ data }: MessageEvent<FromWorker>) => {
    if (data.type !== "alive") return;
    navigator.locks.request(lock, { signal: stop.signal }, gone).catch(() => undefined);
  });
  const live: ToWorker = { type: "live", lock };
  worker.postMessage(live);
  return () => {
    stop.abort();
  };
}
