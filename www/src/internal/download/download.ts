/**
 * One file from an address into the engine, by way of the cache where there is one.
 *
 * What is there already is read from the cache, each part held against its hash; what is missing comes from the network and
 * is written to the cache on its way. The bytes go to the engine in order, whatever order they come in.
 */
import { createSHA256, type IHasher } from "hash-wasm";
import { BitNetError } from "../../public/errors.js";
import { Entry } from "./entry.js";
import { Fault, Patience } from "./fault.js";
import { Ranges } from "./ranges.js";
import { type Answer, changed, type Range, recognizable, RemoteFile, type Version } from "./remote.js";
import { type DownloadProgress, type DownloadRequest, FileChanged, type Tuning } from "./request.js";
import { keyOf, type Store } from "./store.js";
import { wholeFile } from "./whole.js";

/** Who gets the bytes. */
export interface Sink {
  /** Before the first bytes; the file's size where it is certain. */
  begin(size: number | undefined): Promise<void>;
  push(bytes: Uint8Array): void;
  /** The file's size as its own header says it, once it has come. */
  expectedSize(): number | undefined;
}

export interface DownloadEnvironment {
  openStore: () => Promise<Store>;
  tuning: Tuning;
  signal: AbortSignal;
  onProgress: (progress: DownloadProgress) => void;
}

/** A file that the engine has. It stays in the cache unless the engine finds that it is none. */
export interface Download {
  bytes: number;
  /** Every byte came from the cache. */
  cached: boolean;
  notes: string[];
  keep(): Promise<void>;
  discard(): Promise<void>;
}

export async function download(request: DownloadRequest, sink: Sink, environment: DownloadEnvironment): Promise<Download> {
  const run = new Run(request, sink, environment);
  try {
    return await run.run();
  } catch (error) {
    // A damaged part that can't be fetched now has been marked as lost.
    const wrong = error instanceof BitNetError && error.code === "integrity" && !request.offline;
    await run.end(wrong || error instanceof FileChanged || isPoison(error));
    throw error;
  }
}

/** What the engine says of bytes that are not those of a model it runs: to keep them would spoil each later load. */
export function isPoison(error: unknown): boolean {
  return error instanceof Error && "code" in error && ["format", "unsupported-model"].includes(String(error.code));
}

const PROGRESS_MS = 50;
const BUSY = "another tab or worker is downloading it";

type Plan = { kind: "cached"; size: number } | { kind: "ranges"; size: number; version: Version; answer: Answer } | { kind: "whole"; answer: Answer };

class Run {
  readonly #request: DownloadRequest;
  readonly #sink: Sink;
  readonly #environment: DownloadEnvironment;
  readonly #stop = new AbortController();
  readonly #onAbort = () => {
    this.#stop.abort(this.#environment.signal.reason);
  };
  readonly #remote: RemoteFile;
  readonly #notes: string[] = [];
  #entry: Entry | undefined;
  #hash: IHasher | undefined;
  #loaded = 0;
  #total: number | undefined;
  #cached = false;
  #begun = false;
  #lastProgress = -Infinity;
  #fromNetwork = false;

  constructor(request: DownloadRequest, sink: Sink, environment: DownloadEnvironment) {
    this.#request = request;
    this.#sink = sink;
    this.#environment = environment;
    const { signal } = environment;
    signal.addEventListener("abort", this.#onAbort, { once: true });
    if (signal.aborted) this.#onAbort();
    this.#remote = new RemoteFile(request, this.#stop.signal, environment.tuning.clock);
  }

  async run(): Promise<Download> {
    const { sha256 } = this.#request;
    this.#entry = await this.#openEntry();
    const plan = await this.#plan();
    // Where the whole has been checked before, its parts' hashes say the same again.
    const checked = plan.kind === "cached" && sha256 !== undefined && this.#entry?.sha256 === sha256;
    if (sha256 !== undefined && !checked) this.#hash = await createSHA256();
    const size = plan.kind === "whole" ? plan.answer.version.size : plan.size;
    this.#total = size ?? (plan.kind === "whole" ? plan.answer.hint : undefined);
    const entry = this.#entry;
    if (entry && plan.kind !== "cached" && !entry.writable && entry.failed === undefined) this.#uncached(new Error(BUSY));
    // Requests are under way while the engine is still on its own.
    const ranges = plan.kind === "ranges" ? this.#ranges(plan.size, plan.version, plan.answer) : undefined;
    await this.#sink.begin(size);
    this.#begun = true;
    const bytes = plan.kind === "whole" ? await this.#readWhole(plan.answer) : await this.#readParts(plan.size, ranges, checked);
    const found = this.#hash?.digest("hex");
    if (found !== undefined && found !== sha256) {
      throw new BitNetError("integrity", `${this.#request.url} has the SHA-256 ${found}, not ${String(sha256)}; nothing of it was kept: load again, and if it stays so, check the digest and the address`);
    }
    await this.#entry?.finish(bytes, found);
    this.#progress(true);
    return {
      bytes,
      cached: plan.kind === "cached" && !this.#fromNetwork,
      notes: this.#allNotes(),
      keep: () => this.end(false),
      discard: () => this.end(true),
    };
  }

  /** Lets go of connections, files and lock. */
  async end(discard: boolean): Promise<void> {
    this.#environment.signal.removeEventListener("abort", this.#onAbort);
    this.#stop.abort();
    const entry = this.#entry;
    this.#entry = undefined;
    // What is still being hashed counts, too.
    await entry?.settle();
    // What ran out of room can't be finished, and takes room from others.
    if (discard || entry?.parts === 0 || isQuota(entry?.failed)) await entry?.remove();
    else await entry?.close();
  }

  async #openEntry(): Promise<Entry | undefined> {
    const { cache, url, offline } = this.#request;
    if (cache === false) return undefined;
    try {
      const store = await this.#environment.openStore();
      return await Entry.open(await store.open(await keyOf(url)));
    } catch (error) {
      this.#uncached(error);
      if (offline) throw notCached(url);
      return undefined;
    }
  }

  async #plan(): Promise<Plan> {
    const { url, offline, sha256, immutable } = this.#request;
    const { partBytes, runParts } = this.#environment.tuning;
    const entry = this.#entry;
    const size = entry?.complete;
    const known = sha256 !== undefined && entry?.sha256 !== undefined;
    if (entry && size !== undefined && !(known && entry.sha256 !== sha256)) {
      if (offline || immutable || known || (await this.#isCurrent(entry))) return { kind: "cached", size };
    } else if (offline) {
      throw notCached(url);
    } else if (entry && size === undefined) {
      const plan = await this.#resume(entry);
      if (plan) return plan;
    }
    if (entry && !entry.writable) {
      this.#entry = undefined;
      this.#uncached(new Error(BUSY));
    }
    const answer = await this.#ask({ start: 0, end: runParts * partBytes });
    const { version, kind } = answer;
    if (kind === "range" && answer.start === 0 && version.size !== undefined) {
      await this.#startEntry(version);
      return { kind: "ranges", size: version.size, version, answer };
    }
    if (kind === "whole") {
      await this.#startEntry(version);
      return { kind: "whole", answer };
    }
    answer.close();
    const whole = await this.#ask(undefined);
    if (whole.kind !== "whole") {
      whole.close();
      throw new BitNetError("network", `${url} is answered with a piece of the file, which nobody asked for; try another server`);
    }
    await this.#startEntry(whole.version);
    return { kind: "whole", answer: whole };
  }

  async #startEntry(version: Version): Promise<void> {
    if (!this.#entry) return;
    this.#entry.reset(this.#request.url, version, this.#environment.tuning.partBytes);
    await this.#checkRoom(version.size ?? 0);
  }

  /** Goes on with what is there of a file, if the server still has the same. */
  async #resume(entry: Entry): Promise<Plan | undefined> {
    const { head } = entry;
    const { partBytes, runParts } = this.#environment.tuning;
    if (entry.parts === 0 || head?.size === undefined || head.partBytes !== partBytes) return undefined;
    // Without a version to compare only the hash of the whole can tell.
    if (!recognizable(head) && this.#request.sha256 === undefined) return undefined;
    const { size } = head;
    const missing = this.#missing(size);
    const [first] = missing;
    if (first === undefined) return (await this.#isCurrent(entry)) ? { kind: "cached", size } : undefined;
    let count = 1;
    while (count < runParts && missing[count] === first + count) count++;
    const start = first * partBytes;
    const answer = await this.#ask({ start, end: Math.min(size, start + count * partBytes) });
    if (answer.kind === "range" && answer.start === start && answer.version.size === size && !changed(head, answer.version)) {
      await this.#checkRoom(size - entry.parts * partBytes);
      return { kind: "ranges", size, version: { ...answer.version, ...version(head) }, answer };
    }
    answer.close();
    return undefined;
  }

  /** Asks the server, but not for long: where it can't be had, what is in the cache is good enough. */
  async #isCurrent(entry: Entry): Promise<boolean> {
    try {
      const answer = await this.#remote.open({ start: 0, end: 1 }, undefined, this.#environment.tuning.askMs);
      answer.close();
      return !changed(version(entry.head), answer.version);
    } catch (error) {
      this.#stop.signal.throwIfAborted();
      if (!(error instanceof Fault) && !(error instanceof BitNetError)) throw error;
      this.#notes.push(`from the cache; whether the server has a newer one could not be asked (${error.message})`);
      return true;
    }
  }

  async #readParts(size: number, ranges: Ranges | undefined, checked: boolean): Promise<number> {
    const entry = this.#entry;
    const partBytes = this.#partBytes;
    this.#cached = entry?.has(0) ?? false;
    for (let part = 0; part * partBytes < size; part++) {
      const length = Math.min(partBytes, size - part * partBytes);
      let bytes = entry?.has(part) && !ranges?.has(part) ? await entry.read(part, length) : undefined;
      if (bytes) {
        this.#loaded += length;
      } else {
        // A cached part that is damaged comes anew, unless that can't be checked.
        if (checked) throw new FileChanged(this.#request.url);
        if (this.#request.offline) throw new BitNetError("integrity", `${this.#request.url} is damaged in the cache, and offline was asked for: load it once with a connection`);
        ranges ??= this.#ranges(size, version(entry?.head), undefined);
        bytes = await ranges.take(part);
        this.#cached = false;
      }
      this.#hand(bytes);
    }
    return size;
  }

  /** Of a file in the cache, those it was cut into. */
  get #partBytes(): number {
    return this.#entry?.head?.partBytes ?? this.#environment.tuning.partBytes;
  }

  #ranges(size: number, version: Version, answer: Answer | undefined): Ranges {
    const { url, connections } = this.#request;
    const { tuning } = this.#environment;
    const options = { remote: this.#remote, url, size, version, partBytes: this.#partBytes, connections, tuning, signal: this.#stop.signal };
    const onBytes = (count: number) => {
      this.#came(count);
    };
    const onPart = (part: number, bytes: Uint8Array<ArrayBuffer>) => void this.#entry?.keep(part, bytes);
    return new Ranges({ ...options, onBytes, onPart }, answer ? this.#missing(size) : [], answer);
  }

  async #readWhole(answer: Answer): Promise<number> {
    const { url } = this.#request;
    const { tuning } = this.#environment;
    const parts = wholeFile(
      {
        remote: this.#remote,
        url,
        partBytes: tuning.partBytes,
        tuning,
        signal: this.#stop.signal,
        expectedSize: () => this.#sink.expectedSize(),
        onBytes: (count) => {
          this.#came(count);
        },
      },
      answer,
    );
    let bytes = 0;
    let index = 0;
    for await (const part of parts) {
      await this.#entry?.keep(index++, part);
      bytes += part.length;
      this.#hand(part);
    }
    return bytes;
  }

  #came(count: number): void {
    this.#fromNetwork = true;
    this.#loaded += count;
    this.#progress(false);
  }

  #hand(bytes: Uint8Array): void {
    this.#stop.signal.throwIfAborted();
    if (this.#request.cache === "required" && this.#entry?.failed !== undefined) throw required(this.#entry.failed);
    this.#hash?.update(bytes);
    this.#sink.push(bytes);
    this.#progress(false);
  }

  #progress(last: boolean): void {
    const now = performance.now();
    if (!this.#begun) return;
    if (!last && now - this.#lastProgress < PROGRESS_MS) return;
    this.#lastProgress = now;
    this.#environment.onProgress({ loaded: this.#loaded, total: this.#total ?? this.#sink.expectedSize(), cached: this.#cached });
  }

  #missing(size: number): number[] {
    return Array.from({ length: Math.ceil(size / this.#partBytes) }, (_, part) => part).filter((part) => !this.#entry?.has(part));
  }

  async #ask(range: Range | undefined): Promise<Answer> {
    const { tuning } = this.#environment;
    const patience = new Patience(tuning, this.#stop.signal, tuning.firstTries);
    for (;;) {
      try {
        return await this.#remote.open(range, undefined, tuning.stallMs);
      } catch (error) {
        await patience.after(error);
      }
    }
  }

  async #checkRoom(bytes: number): Promise<void> {
    const room = await this.#environment.openStore().then((store) => store.room());
    if (room === undefined || room >= bytes || !this.#entry) return;
    const reason = new DOMException(`${megabytes(bytes)} are needed, and the browser gives this site ${megabytes(Math.max(0, room))}`, "QuotaExceededError");
    if (this.#request.cache === "required") throw required(reason);
    this.#entry.giveUp(reason);
  }

  #uncached(reason: unknown): void {
    if (this.#request.cache === "required") throw required(reason);
    this.#notes.push(`not kept in the cache: ${messageOf(reason)}`);
  }

  #allNotes(): string[] {
    const failed = this.#entry?.failed;
    if (failed === undefined) return this.#notes;
    const advice = isQuota(failed) ? "; delete cached models or make room on the disk" : "";
    return [...this.#notes, `not kept in the cache: ${messageOf(failed)}${advice}`];
  }
}

function version({ size, etag, lastModified }: Version = {}): Version {
  return { ...(size !== undefined && { size }), ...(etag !== undefined && { etag }), ...(lastModified !== undefined && { lastModified }) };
}

function notCached(url: string): BitNetError {
  return new BitNetError("network", `${url} is not whole in the cache, and offline was asked for: load it once with a connection`);
}

function required(reason: unknown): BitNetError {
  if (isQuota(reason)) return new BitNetError("quota", `the file can't be kept: ${messageOf(reason)}; delete cached models or make room on the disk`, { cause: reason });
  return new BitNetError("storage", `the file can't be kept: ${messageOf(reason)}; load it without cache: "required"`, { cause: reason });
}

export function isQuota(error: unknown): boolean {
  return error instanceof DOMException && error.name === "QuotaExceededError";
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
