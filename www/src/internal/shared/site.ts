/** What the tabs of a site have in common: locks, and channels that all hear. */
import { environment } from "../environment.js";

export interface Channel {
  post: (message: unknown) => void;
  close: () => void;
}

export interface Site {
  /**
   * Calls `held` when the lock is granted, and holds it until that ends; so does the promise. Rejects where the signal comes before the
   * grant, and where there are no locks after all.
   */
  lock: (name: string, signal: AbortSignal | undefined, held: () => Promise<void>) => Promise<void>;
  /** Resolves when nobody holds the lock. Who waits so stands in nobody's way. */
  lockFree: (name: string, signal: AbortSignal) => Promise<void>;
  /** Of all tabs. */
  heldLocks: () => Promise<string[]>;
  channel: (name: string, hear: (message: unknown) => void) => Channel;
  /**
   * A page may be put aside, with all its timers and messages, and come back, or not. What is given back ends the watch.
   */
  watchSleep: (asleep: () => void, awake: () => void) => () => void;
}

/** Why there is no such thing here. */
export function noSite(): string | undefined {
  const { navigator, noTabs } = environment();
  if (noTabs !== undefined) return noTabs;
  const locks: Partial<LockManager> | undefined = navigator?.locks;
  if (typeof locks?.request !== "function" || typeof locks.query !== "function") return "there are no Web Locks here, which need a page of https or localhost";
  if (typeof BroadcastChannel === "undefined") return "there is no BroadcastChannel here";
  if (typeof (globalThis.crypto as Partial<Crypto> | undefined)?.subtle === "undefined") return "there is no crypto.subtle here, which needs a page of https or localhost";
  return undefined;
}

export const browserSite: Site = {
  async lock(name, signal, held) {
    await locks().request(name, signal ? { signal } : {}, held);
  },

  async lockFree(name, signal) {
    await locks().request(name, { signal, mode: "shared" }, () => undefined);
  },

  async heldLocks() {
    const { held = [] } = await locks().query();
    return held.flatMap(({ name }) => (name === undefined ? [] : [name]));
  },

  channel(name, hear) {
    const channel = new BroadcastChannel(name);
    channel.onmessage = ({ data }: MessageEvent<unknown>) => {
      hear(data);
    };
    let open = true;
    return {
      post: (message) => {
        if (open) channel.postMessage(message);
      },
      close: () => {
        open = false;
        channel.onmessage = null;
        channel.close();
      },
    };
  },

  watchSleep(asleep, awake) {
    // The back/forward cache, and tabs that a browser freezes: the latter where there is a document, the former in pages alone.
    const watched: [EventTarget, string, () => void][] = [];
    if (typeof window !== "undefined") watched.push([window, "pagehide", asleep], [window, "pageshow", awake]);
    if (typeof document !== "undefined") watched.push([document, "freeze", asleep], [document, "resume", awake]);
    for (const [target, event, heard] of watched) target.addEventListener(event, heard);
    return () => {
      for (const [target, event, heard] of watched) target.removeEventListener(event, heard);
    };
  },
};

/** When nobody holds the lock any more, unless the signal comes first. */
export function whenFree(site: Site, name: string, signal: AbortSignal, free: () => void): void {
  site.lockFree(name, signal).then(
    () => {
      if (!signal.aborted) free();
    },
    () => undefined,
  );
}

function locks(): LockManager {
  const { locks } = environment().navigator ?? {};
  if (!locks) throw new Error("there are no Web Locks here");
  return locks;
}
