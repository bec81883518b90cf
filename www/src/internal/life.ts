/**
 * How the page hears of the end of a worker: a browser that ends one, for want of memory or by its own hand, tells nobody. But it
 * gives back the worker's locks, so each worker holds one for life, and the page waits for it.
 */
import type { Endpoint, FromBootstrap, Heard, Sent } from "./channel.js";
import { Deferred } from "./deferred.js";
import { randomId } from "./random.js";

/**
 * The worker's side, called once; the page's word comes before any other. Resolves when the lock is held or is not to be had: a
 * worker that goes into WebAssembly for good waits for that, since a lock that comes later would not reach it.
 */
export function holdLife(port: Endpoint): Promise<void> {
  return new Promise((settled) => {
    port.addEventListener("message", (event: MessageEvent<Sent>) => {
      if (event.data.type !== "live") return;
      if (event.data.lock === undefined) {
        settled();
        return;
      }
      const held = () => {
        const alive: FromBootstrap = { type: "alive" };
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

/** A browser that has ended a worker may keep its memory for so long. */
const LATELY_MS = 30_000;
/** For workers that were ended and are not gone. Chromium waits two seconds before it ends one that is inside WebAssembly. */
const PATIENCE_MS = 5000;

/** Of the workers that the page has ended, those that are not known to be gone. */
const ending = new Set<Promise<void>>();
let lastEnd = -Infinity;

/** Whether the page has ended a worker a short while ago. */
export function endedLately(): boolean {
  return performance.now() - lastEnd < LATELY_MS;
}

/** Resolves when the workers that the page has ended are gone, or will not go, or nobody waits any more. */
export async function allGone(signal: AbortSignal | undefined): Promise<void> {
  const enough = new Deferred<void>();
  const stop = () => {
    enough.resolve();
  };
  const timer = setTimeout(stop, PATIENCE_MS);
  signal?.addEventListener("abort", stop, { once: true });
  await Promise.race([Promise.all(ending), enough.promise]);
  clearTimeout(timer);
  signal?.removeEventListener("abort", stop);
}

/**
 * Calls `gone` when the worker is no more, unless what it gives back has been called before, which is to be called when the page ends
 * the worker. Without locks, on a page that is not secure or in an old browser, nobody is told, and only what the worker itself reports
 * counts.
 */
export function watchLife(worker: Worker, gone: () => void): () => void {
  let ended = false;
  let free: Promise<void> | undefined;
  const lock = typeof navigator !== "undefined" && "locks" in navigator ? `b158 worker ${randomId()}` : undefined;
  const live: Sent = { type: "live", lock };
  worker.postMessage(live);
  worker.addEventListener("message", ({ data }: MessageEvent<Heard>) => {
    if (data.type !== "alive" || lock === undefined) return;
    const given = () => {
      if (!ended) gone();
    };
    free = navigator.locks.request(lock, given).then(
      () => undefined,
      () => undefined,
    );
  });
  return () => {
    ended = true;
    lastEnd = performance.now();
    const going = free;
    if (!going) return;
    ending.add(going);
    void going.then(() => ending.delete(going));
  };
}
