/** One model for all sessions: loaded when the first of them is created, gone some time after the last of them was destroyed. */
import { asFraction } from "./monitor.js";
import { isHere, whereItIs } from "./available.js";
import { BitNet } from "../public/bitnet.js";
import { BitNetError, type BitNetErrorCode } from "../public/errors.js";
import type { LoadOptions, LoadProgress, ModelSource } from "../public/types.js";
import type { Availability } from "./types.js";

const UNLOAD_AFTER_MS = 30_000;
/** The longest time that a timer takes. */
const MOST_MS = 2 ** 31 - 1;

/** Failures that the next try will meet too, in this page and on this device. */
const FOR_GOOD: ReadonlySet<BitNetErrorCode> = new Set(["unsupported-browser", "unsupported-model", "format", "integrity"]);

interface Loading {
  readonly model: Promise<BitNet>;
  readonly stop: AbortController;
  readonly heard: Set<(fraction: number) => void>;
  /** So far. */
  fraction: number;
}

export class LoadedModel {
  readonly #source: ModelSource | BitNet;
  readonly #options: LoadOptions;
  readonly #unloadAfterMs: number;
  #users = 0;
  #loading: Loading | undefined;
  #loaded: BitNet | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #failed: BitNetError | undefined;
  /** What is being found out of one that is not there. */
  #asked: Promise<Availability> | undefined;
  #fits: Promise<boolean> | undefined;

  constructor(source: ModelSource | BitNet, options: LoadOptions, unloadAfterMs = UNLOAD_AFTER_MS) {
    this.#source = source;
    this.#options = options;
    this.#unloadAfterMs = unloadAfterMs;
    if (isModel(source)) this.#loaded = source;
  }

  /** Of the model alone, whatever a page wants of it. */
  async availability(): Promise<Availability> {
    if (this.#loaded && (await this.#isAlive(this.#loaded))) return "available";
    if (isModel(this.#source)) return "unavailable";
    if (this.#loading) return (await isHere(this.#source, this.#options)) ? "available" : "downloading";
    if (this.#failed) return "unavailable";
    this.#asked ??= whereItIs(this.#source, this.#options, () => this.#itFits()).finally(() => {
      this.#asked = undefined;
    });
    return this.#asked;
  }

  /** A worker may have died while nobody asked it anything: phones end them. */
  async #isAlive(model: BitNet): Promise<boolean> {
    try {
      await model.stats();
      return true;
    } catch {
      this.lost(model);
      return false;
    }
  }

  /** Some megabytes of the model say so, which are fetched once. */
  #itFits(): Promise<boolean> {
    const { signal: _, onProgress: _also, ...options } = this.#options;
    this.#fits ??= BitNet.estimate(this.#source as ModelSource, options).then(
      ({ fits }) => fits,
      (error: unknown) => {
        this.#fits = undefined;
        throw error;
      },
    );
    return this.#fits;
  }

  /** Somebody needs it from here on. */
  hold(): void {
    this.#users++;
    clearTimeout(this.#timer);
  }

  /** Not any more, as often as `hold` was called. */
  release(): void {
    if (--this.#users > 0) return;
    if (this.#loading) {
      this.#loading.stop.abort();
      this.#loading = undefined;
    }
    if (this.#unloadAfterMs === Infinity) return;
    this.#timer = setTimeout(() => {
      this.#unload();
    }, Math.min(this.#unloadAfterMs, MOST_MS));
    // It keeps no program of Node.js alive.
    (this.#timer as { unref?: () => void }).unref?.();
  }

  /** The model, for somebody who holds it; `hear` is told how far it is, rising from 0 to 1, and not any more when `signal` is aborted. */
  async load(hear?: (fraction: number) => void, signal?: AbortSignal): Promise<BitNet> {
    const loaded = this.#loaded;
    if (loaded && (isModel(this.#source) || (await this.#isAlive(loaded)))) return loaded;
    const loading = (this.#loading ??= this.#begin());
    if (hear) {
      loading.heard.add(hear);
      signal?.addEventListener("abort", () => loading.heard.delete(hear), { once: true });
      if (loading.fraction > 0) hear(loading.fraction);
    }
    return loading.model;
  }

  /** It has crashed, or somebody has disposed of it. The next to load it gets another, unless it was given as it is. */
  lost(model: BitNet): void {
    if (this.#loaded === model) this.#unload();
  }

  #begin(): Loading {
    const stop = new AbortController();
    const heard = new Set<(fraction: number) => void>();
    const onProgress = (progress: LoadProgress) => {
      this.#options.onProgress?.(progress);
      const fraction = asFraction(progress);
      if (fraction === undefined || fraction <= loading.fraction) return;
      loading.fraction = fraction;
      for (const hear of heard) hear(fraction);
    };
    const loading: Loading = { stop, heard, fraction: 0, model: BitNet.load(this.#source as ModelSource, { ...this.#options, onProgress, signal: stop.signal }) };
    loading.model.then(
      (model) => {
        if (this.#loading !== loading) {
          void model.dispose();
          return;
        }
        this.#loading = undefined;
        this.#loaded = model;
        this.#failed = undefined;
      },
      (error: unknown) => {
        if (this.#loading === loading) this.#loading = undefined;
        if (error instanceof BitNetError && FOR_GOOD.has(error.code)) this.#failed = error;
      },
    );
    return loading;
  }

  #unload(): void {
    if (this.#loaded === undefined || this.#loaded === this.#source) return;
    void this.#loaded.dispose();
    this.#loaded = undefined;
  }
}

/** One that is loaded already; told by what it has, since a page may have two copies of this package. */
function isModel(source: ModelSource | BitNet): source is BitNet {
  const { info, session } = source as Partial<BitNet>;
  return typeof info === "object" && typeof session === "function";
}
