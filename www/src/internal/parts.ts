/** The worker's side of loading: parts of a model, from the page or from the network, one after the other into a loader. */
import { createSHA256, type IHasher } from "hash-wasm";
import { BitNetError } from "../public/errors.js";
import { download, type Download, type DownloadEnvironment, isPoison } from "./download/download.js";
import type { DownloadProgress, DownloadRequest } from "./download/request.js";
import type { Engine, EngineModule, Loader, LoaderOptions } from "./engine.js";

/** Where downloads find what they need. */
export type DownloadPlace = Omit<DownloadEnvironment, "onProgress">;

export interface Built {
  engine: Engine;
  /** Every byte came from the cache; absent where the page gave some. */
  cached: boolean | undefined;
  notes: string[];
}

export class Parts {
  readonly #opening: Promise<EngineModule>;
  readonly #place: DownloadPlace;
  readonly #options: LoaderOptions;
  readonly #downloads: Download[] = [];
  #loader: Loader | undefined;
  #count = 0;
  #fromPage = false;
  #hash: { expected: string; hasher: IHasher } | undefined;

  constructor(opening: Promise<EngineModule>, place: DownloadPlace, options: LoaderOptions) {
    this.#opening = opening;
    this.#place = place;
    this.#options = options;
  }

  /** The next part comes with `push`. */
  async begin(sha256: string | undefined, fileSize: number | undefined): Promise<void> {
    await this.#begin(fileSize);
    this.#fromPage = true;
    if (sha256 !== undefined) this.#hash = { expected: sha256, hasher: await createSHA256() };
  }

  push(bytes: Uint8Array): number | undefined {
    this.#hash?.hasher.update(bytes);
    this.#loader?.push(bytes);
    return this.#loader?.expectedSize();
  }

  /** The next part comes from an address. */
  async download(request: DownloadRequest, alone: boolean, onProgress: (progress: DownloadProgress) => void): Promise<Download> {
    const sink = {
      begin: (size: number | undefined) => this.#begin(alone ? size : undefined),
      push: (bytes: Uint8Array) => this.#loader?.push(bytes),
      expectedSize: () => (alone ? this.#loader?.expectedSize() : undefined),
    };
    const done = await download(request, sink, { ...this.#place, onProgress });
    this.#downloads.push(done);
    return done;
  }

  isLast(): boolean {
    return this.#loader?.isLastPart() ?? false;
  }

  async finish(): Promise<Built> {
    this.#endPart();
    const loader = this.#loader;
    if (!loader) throw new BitNetError("invalid-argument", "the model has no parts");
    this.#loader = undefined; // finish() consumes it, also when it fails
    const engine = loader.finish();
    await Promise.all(this.#downloads.map((done) => done.keep()));
    const notes = [...new Set(this.#downloads.flatMap((done) => done.notes))];
    const cached = this.#fromPage ? undefined : this.#downloads.every((done) => done.cached);
    return { engine, cached, notes };
  }

  /** Frees what there is. Files whose bytes `error` speaks against leave the cache too. */
  async drop(error?: unknown): Promise<void> {
    try {
      this.#loader?.free();
    } catch {
      // The page ends this worker anyway.
    }
    this.#loader = undefined;
    await Promise.all(this.#downloads.splice(0).map((done) => (isPoison(error) ? done.discard() : done.keep())));
  }

  async #begin(fileSize: number | undefined): Promise<void> {
    const module = await this.#opening;
    this.#endPart();
    if (this.#count++ > 0) this.#loader?.nextPart();
    else this.#loader = module.createLoader({ ...this.#options, ...(fileSize !== undefined && { fileSize }) });
  }

  #endPart(): void {
    if (!this.#hash) return;
    const { expected, hasher } = this.#hash;
    this.#hash = undefined;
    const found = hasher.digest("hex");
    if (found !== expected) throw new BitNetError("integrity", `the file has the SHA-256 ${found}, not ${expected}: check the file and the digest`);
  }
}
