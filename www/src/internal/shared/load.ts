/**
 * One engine for all tabs of a site. Whoever has the engine's lock loads the model and answers the others; they wait for the lock, so that
 * the next has it the moment that this one is gone, whatever ended it. A tab that could not load lets the others try, and gives up when the
 * lock comes to it again.
 */
import { BitNetError } from "../../public/errors.js";
import type { LoadOptions, ModelInfo } from "../../public/types.js";
import { Connection } from "../connection.js";
import { Deferred } from "../deferred.js";
import { allGone } from "../life.js";
import type { Loaded } from "../load.js";
import { show } from "../options/refuse.js";
import type { LoadProgress } from "../protocol.js";
import { randomId } from "../random.js";
import type { ReadSource } from "../source.js";
import { Guest } from "./guest.js";
import { Host } from "./host.js";
import { browserSite, noSite, type Site } from "./site.js";
import { type How, Names, VERSION } from "./wire.js";

/** An engine that crashes is loaded again, but not for ever. */
const MOST_CRASHES = 5;
const SOON_MS = 60_000;
/** What a browser ends for want of memory gives it back late. */
const AGAIN_MS = 2000;

export type LoadAlone = (source: ReadSource, options: LoadOptions) => Promise<Loaded>;

export async function loadShared(source: ReadSource, options: LoadOptions, loadAlone: LoadAlone): Promise<Loaded> {
  const why = typeof options.worker === "object" ? "the worker was given ready, and serves this page alone" : noSite();
  if (why !== undefined) return unshared(source, options, loadAlone, why);
  const site = browserSite;
  try {
    await site.heldLocks();
  } catch (error) {
    // A page may have no right to what is there: in a sandbox, for example.
    return unshared(source, options, loadAlone, error instanceof Error ? error.message : show(error));
  }
  checkSource(source);
  return new Tab(site, await engineName(source, options), source, options, loadAlone).loaded();
}

async function unshared(source: ReadSource, options: LoadOptions, loadAlone: LoadAlone, why: string): Promise<Loaded> {
  const { connection, info } = await loadAlone(source, options);
  return { connection, info: { ...info, notes: [...info.notes, `not shared with other tabs: ${why}`] } };
}

/** Whoever takes over has to find the model by itself. */
function checkSource({ sent }: ReadSource): void {
  if (sent.parts.every(({ type }) => type === "address")) return;
  const what = sent.parts.some(({ type }) => type === "blob") ? "a Blob, a file or a folder" : "a stream, a Response or a Request that is more than an address";
  throw new BitNetError("invalid-argument", `shared is true, but the source is ${what}, which other tabs can't read; give an address, or load without shared`);
}

/** The same for all that would load the same model so that it gives the same answers. */
export async function engineName({ sent }: Pick<ReadSource, "sent">, { contextLength, kvCache = "auto", overrides = [], tokenEmbedding = "auto" }: LoadOptions): Promise<string> {
  const { parts, kind, sha256, base } = sent;
  const addresses = parts.map(({ body }) => ("url" in body ? [absolute(body.url, base), body.manifest] : []));
  const model = await digest([addresses, kind]);
  return `b158 shared ${VERSION} ${model} ${await digest([sha256, contextLength, kvCache, overrides, tokenEmbedding])}`;
}

function absolute(url: string, base: string | undefined): string {
  try {
    const absolute = new URL(url, base);
    absolute.hash = "";
    return absolute.href;
  } catch {
    return url; // the worker says what is wrong with it
  }
}

async function digest(value: unknown): Promise<string> {
  const bytes = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(JSON.stringify(value))));
  return Array.from(bytes.subarray(0, 16), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** A model of one tab. */
export class Tab {
  readonly #site: Site;
  readonly #names: Names;
  readonly #source: ReadSource;
  readonly #signals: readonly AbortSignal[];
  readonly #options: LoadOptions;
  readonly #loadAlone: LoadAlone;
  readonly #connection: Connection;
  readonly #guest: Guest;
  readonly #left = new AbortController();
  readonly #ready = new Deferred<ModelInfo>();
  /** From its arrival until it leaves, or is put aside. */
  #stay = new AbortController();
  /** Of the engine in this tab. */
  #ownTerm: string | undefined;
  #info: ModelInfo | undefined;
  /** Since an engine was last there. */
  #failure: { error: unknown } | undefined;
  /** Engines of this tab that crashed soon, one after the other. */
  #crashes = 0;
  #onProgress: LoadOptions["onProgress"];

  constructor(site: Site, name: string, source: ReadSource, options: LoadOptions, loadAlone: LoadAlone) {
    this.#site = site;
    this.#names = new Names(name);
    // Its signals are of the first load alone, which they end by themselves.
    this.#source = { ...source, signals: [] };
    this.#signals = [options.signal, ...source.signals].flatMap((signal) => signal ?? []);
    this.#options = options;
    this.#loadAlone = loadAlone;
    this.#onProgress = options.onProgress;
    const hears = {
      progress: (progress: LoadProgress) => this.#onProgress?.(progress),
      ready: (term: string, info: ModelInfo, how: How) => void this.#isReady(term, info, how),
    };
    this.#guest = new Guest(site, this.#names, hears, () => {
      this.#left.abort();
    });
    this.#connection = new Connection(this.#guest.worker);
  }

  async loaded(): Promise<Loaded> {
    const stopWatching = this.#site.watchSleep(
      () => {
        this.#stay.abort();
      },
      () => {
        if (this.#stay.signal.aborted) this.#arrive();
      },
    );
    this.#left.signal.addEventListener("abort", () => {
      stopWatching();
      this.#stay.abort();
    });
    const signals = this.#signals;
    const abort = ({ target }: { target: EventTarget | null }) => {
      this.#connection.close((target as AbortSignal).reason);
    };
    for (const signal of signals) {
      signal.addEventListener("abort", abort);
      if (signal.aborted) this.#connection.close(signal.reason);
    }
    let first: ModelInfo;
    try {
      this.#arrive();
      first = await this.#connection.orClosed(this.#ready.promise);
    } finally {
      for (const signal of signals) signal.removeEventListener("abort", abort);
      // Of the first load alone.
      this.#onProgress = undefined;
    }
    const info = () => this.#info ?? first;
    return {
      connection: this.#connection,
      get info() {
        return info();
      },
    };
  }

  #arrive(): void {
    if (this.#left.signal.aborted) return;
    this.#stay = new AbortController();
    const { signal } = this.#stay;
    const guest = randomId();
    const stay = async () => {
      if (signal.aborted) return;
      const departed = new Deferred<void>();
      signal.addEventListener("abort", () => {
        this.#guest.depart();
        departed.resolve();
      });
      this.#guest.arrive(guest);
      void this.#stand(signal);
      await departed.promise;
    };
    this.#site.lock(this.#names.stay(guest), signal, stay).catch((error: unknown) => {
      if (!signal.aborted) this.#connection.close(error);
    });
  }

  /** For election, again and again. */
  async #stand(signal: AbortSignal): Promise<void> {
    try {
      while (!signal.aborted) await this.#site.lock(this.#names.engine, signal, () => this.#elected(signal));
    } catch (error) {
      if (!signal.aborted) this.#connection.close(error);
    }
  }

  async #elected(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    if (this.#failure) {
      this.#connection.close(this.#failure.error);
      return;
    }
    const term = randomId();
    await this.#site.lock(this.#names.term(term), undefined, () => this.#hold(term, signal));
    // So that two engines need not fit at a time.
    if (!this.#isPutAside()) await allGone(undefined);
  }

  /** Then it has no time to wait for anything. */
  #isPutAside(): boolean {
    return this.#stay.signal.aborted && !this.#left.signal.aborted;
  }

  async #hold(term: string, signal: AbortSignal): Promise<void> {
    this.#ownTerm = term;
    const { threads, backend, prepareFormats, hash } = this.#options;
    const host = new Host(this.#site, this.#names, term, { threads, backend, prepareFormats, hash } as How);
    let engine: Connection | undefined;
    let readyAt: number | undefined;
    const leave = () => {
      host.leave();
      host.end();
      engine?.close(new BitNetError("disposed", "the engine has been given up"));
    };
    signal.addEventListener("abort", leave);
    if (signal.aborted) leave();
    try {
      const loaded = await this.#load(host, signal);
      engine = loaded.connection;
      if (signal.aborted) leave();
      else host.ready(engine, loaded.info);
      readyAt = performance.now();
      await engine.closed;
    } catch (error) {
      if (readyAt !== undefined && performance.now() - readyAt > SOON_MS) this.#crashes = 0;
      const triesAgain = readyAt !== undefined && ++this.#crashes < MOST_CRASHES;
      if (!signal.aborted && !triesAgain) this.#failure = { error };
    } finally {
      signal.removeEventListener("abort", leave);
      host.end();
    }
  }

  async #load(host: Host, signal: AbortSignal): Promise<Loaded> {
    const options: LoadOptions = {
      ...this.#options,
      signal,
      onProgress: (progress) => {
        host.progress(progress);
      },
    };
    if (!this.#info) return this.#loadAlone(this.#source, options);
    try {
      return await this.#loadAgain(options, signal);
    } catch (error) {
      if (!(error instanceof BitNetError)) throw error;
      throw new BitNetError(error.code, `the tab that held the engine has gone, and this one could not load the model: ${error.message}`, { cause: error });
    }
  }

  /** In place of another. What is in the cache is what was loaded, and needs no network. */
  async #loadAgain(options: LoadOptions, signal: AbortSignal): Promise<Loaded> {
    const { sent } = this.#source;
    try {
      if (sent.cache !== "off" && !sent.offline) return await this.#loadAlone({ ...this.#source, sent: { ...sent, offline: true } }, options);
    } catch (error) {
      if (signal.aborted) throw error;
    }
    try {
      return await this.#loadAlone(this.#source, options);
    } catch (error) {
      if (!(error instanceof BitNetError) || error.code !== "out-of-memory") throw error;
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
      signal.throwIfAborted();
      return this.#loadAlone(this.#source, options);
    }
  }

  async #isReady(term: string, info: ModelInfo, how: How): Promise<void> {
    this.#failure = undefined;
    const here = term === this.#ownTerm;
    const notes = here ? ["shared: this tab holds the engine for all tabs of the site"] : ["shared: another tab holds the engine", ...differences(this.#options, how)];
    this.#info = { ...info, shared: here ? "here" : "elsewhere", notes: [...info.notes, ...notes] };
    if (await this.#hasSibling()) this.#info = { ...this.#info, notes: [...this.#info.notes, "shared: tabs of this site hold the same model with other options, or of another version of this package, in memory of their own"] };
    this.#ready.resolve(this.#info);
  }

  async #hasSibling(): Promise<boolean> {
    const sameModel = (name: string) => name.startsWith("b158 shared ") && name.endsWith(" engine") && name.split(" ")[3] === this.#names.engine.split(" ")[3];
    const held = await this.#site.heldLocks().catch(() => []);
    return held.some((name) => sameModel(name) && name !== this.#names.engine);
  }
}

function differences(own: LoadOptions, how: How): string[] {
  return (["threads", "backend", "prepareFormats", "hash"] as const).flatMap((name) => {
    const [asked, given] = [own[name], how[name]];
    return asked === undefined || asked === given ? [] : [`shared: ${name} is ${given === undefined ? "as by default" : show(given)}, as the tab that holds the engine asked for, not ${show(asked)}`];
  });
}
